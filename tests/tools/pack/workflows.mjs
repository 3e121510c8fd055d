// Judges workflows by GitHub's language service. Reads from stdin {root, documents: [{name, text}]}, and writes to stdout
// {name: [complaint, ...]}. Inputs of our actions come from their action.yml, of others from pinned-actions.json, whatever the
// version that a snippet names; actions that are not there are not looked into.
import fs from "node:fs";
import path from "node:path";
import { validate } from "@actions/languageservice";
import { TextDocument } from "vscode-languageserver-textdocument";
import { parse } from "yaml";

const { root, pinned, documents } = JSON.parse(fs.readFileSync(0, "utf8"));
const known = JSON.parse(fs.readFileSync(pinned, "utf8"));
const named = (names) => Object.fromEntries(names.map((name) => [name, { description: name }]));

const actionsMetadataProvider = {
  async fetchActionMetadata({ owner, name, ref, path: folder }) {
    if (owner === "org" && name === "llmci") {
      return parse(fs.readFileSync(path.join(root, "actions", folder, "action.yml"), "utf8"));
    }
    const other = Object.keys(known).find((key) => key.startsWith(`${owner}/${name}@`));
    const found = known[`${owner}/${name}@${ref}`] ?? known[other];
    if (!found || folder) return undefined;
    return { name, description: name, inputs: named(found.inputs), outputs: named(found.outputs) };
  },
};
const fileProvider = {
  async getFileContent(reference) {
    const file = reference.path ?? reference;
    return { name: file, content: own(fs.readFileSync(path.join(root, file), "utf8")) };
  },
};
// The language service follows neither `$/` nor `./` to an action; these are the same things by their names for others.
const own = (text) =>
  text.replaceAll(/uses: [$.]\/actions\/([a-z-]+)/g, "uses: org/llmci/$1@v1").replaceAll("uses: $/.github/", "uses: ./.github/");

const complaints = {};
for (const { name, text } of documents) {
  const document = TextDocument.create(`file:///.github/workflows/${name}`, "yaml", 1, own(text));
  const found = await validate(document, { actionsMetadataProvider, fileProvider });
  complaints[name] = found.map(({ message, range }) => `${range.start.line + 1}: ${message}`);
}
console.log(JSON.stringify(complaints));
