/** Versions, from the package files that state them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { PACKAGE_DIR } from './paths.ts';

export function readVersion(): string {
  const text = readFileSync(join(PACKAGE_DIR, 'package.json'), 'utf8');
  return String((JSON.parse(text) as { version: unknown }).version);
}
