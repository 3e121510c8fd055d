// GitHub's toolkit as a byte oracle. Reads from stdin {outputs: [[name, value]], secrets: [value], annotations: [[title, message]],
// summary: {before, text}, folder}; what @actions/core writes for them goes to stdout as JSON, delimiters as they came.
import fs from "node:fs";
import path from "node:path";

const asked = JSON.parse(fs.readFileSync(0, "utf8"));
const output = path.join(asked.folder, "toolkit-output");
const summary = path.join(asked.folder, "toolkit-summary");
fs.writeFileSync(output, "");
fs.writeFileSync(summary, asked.summary.before);
process.env.GITHUB_OUTPUT = output;
process.env.GITHUB_STEP_SUMMARY = summary;

let written = "";
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = (text) => ((written += text), true);
const taken = () => {
  const text = written;
  written = "";
  return text;
};

const core = await import("@actions/core");
const outputs = asked.outputs.map(([name, value]) => {
  fs.writeFileSync(output, "");
  core.setOutput(name, value);
  return fs.readFileSync(output, "utf8");
});
const secrets = asked.secrets.map((value) => (core.setSecret(value), taken()));
const annotations = asked.annotations.map(([title, message]) => (core.error(message, { title }), taken()));
await core.summary.addRaw(asked.summary.text).write();
process.stdout.write = write;
console.log(JSON.stringify({ outputs, secrets, annotations, summary: fs.readFileSync(summary, "utf8") }));
