/** `npm run generate`: writes the files that are made from the code. Says which ones changed. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { generatedFiles } from './generated-files.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
let changed = 0;
for (const [path, text] of generatedFiles()) {
  const file = `${root}${path}`;
  if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
  writeFileSync(file, text);
  console.log(`wrote ${path}`);
  changed++;
}
if (changed === 0) console.log('nothing to do: all generated files are up to date');
