// Runs `promptfoo eval` on many folders in one process: its own command, with its own reading of configs, without the second
// that each start costs. Two things are changed while it is loaded, and nothing on disk:
// - the command is not exported, so its module is read with one line more;
// - promptfoo 0.121.20 asks the CommonJS package `natural` for names that Node does not find in it, so that every METEOR assertion
//   is an error. Here it finds them: the stemmer as it is, and a thesaurus without entries, since llmci has none.
//
// node driver.mjs DIST < folders, one a line: each gets `promptfoo.json`, or `promptfoo.refused` with the reason.
import fs from 'node:fs';
import { register } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const entry = path.join(process.argv[2], 'main.js');
const url = pathToFileURL(entry).href;
const natural = `import { createRequire } from 'node:module';
export const { PorterStemmer } = createRequire(${JSON.stringify(url)})('natural');
export class WordNet { lookup(word, found) { found([]); } }`;
const hook = `export async function resolve(name, context, next) {
  if (name === 'natural') return { url: 'data:text/javascript,' + encodeURIComponent(${JSON.stringify(natural)}), shortCircuit: true };
  return next(name, context);
}
export async function load(url, context, next) {
  const loaded = await next(url, context);
  if (url !== ${JSON.stringify(url)}) return loaded;
  return { ...loaded, source: String(loaded.source) + '\\nexport { evalCommand, Command };\\n' };
}`;
register('data:text/javascript,' + encodeURIComponent(hook));
const { evalCommand, Command } = await import(url);

const folders = fs.readFileSync(0, 'utf8').split('\n').filter(Boolean);
for (const folder of folders) {
  process.chdir(folder);
  const program = new Command('promptfoo');
  program.exitOverride();
  evalCommand(program, {}, undefined);
  const words = ['eval', '-c', 'promptfooconfig.yaml', '--no-write', '--no-cache', '--no-table', '--no-progress-bar', '-o', 'promptfoo.json'];
  try {
    await program.parseAsync(['node', entry, ...words]);
  } catch (error) {
    fs.writeFileSync('promptfoo.refused', String(error?.stack ?? error));
  }
}
process.exit(0);
