/**
 * The real model, for tests that must see sense and not only shapes. `npm run models:fetch` brings
 * it; a test without it is skipped, and says so:
 *
 *   const model = realModel();
 *   test.skipIf(model === undefined)('answers', …)
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { SMOLLM2_FILE } from '../../src/models/smollm2.ts';
import { MODELS_DIR } from './gguf-writer-presets.ts';

/** Returns the path of SmolLM2-135M-Instruct, or undefined after printing why it is not there. */
export function realModel(): string | undefined {
  const path = join(MODELS_DIR, SMOLLM2_FILE);
  if (existsSync(path)) return path;
  console.warn(
    `skipped: ${SMOLLM2_FILE} is not in .cache/models; \`npm run models:fetch\` brings it`,
  );
  return undefined;
}
