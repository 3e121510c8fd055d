// Runs `promptfoo eval` on many folders in one process: its own command, with its own reading of configs, without the second
// that each start costs. The command is not exported, so its module is read with one line more.
//
// node driver.mjs ENTRY < folders, one a line: each gets `promptfoo.json`, or `promptfoo.refused` with the reason.
import fs from 'node:fs';
import { register } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const entry = path.join(process.argv[2], 'main.js');
const url = pathToFileURL(entry).href;
const hook = `export async function load(url, context, next) {
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
