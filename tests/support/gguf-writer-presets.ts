/**
 * The shapes that tests and benches share, made on first use and kept in `.cache/models`.
 *
 * | preset | parameters | weights | vocabulary | for                                      |
 * |--------|------------|---------|------------|------------------------------------------|
 * | tiny   | 0.13 M     | F16     | 264        | a worker that loads in a moment          |
 * | a      | 0.92 M     | F16     | 264        | behaviour; same seed, same tokens        |
 * | b      | 26 M       | F16     | 264        | the same, slow enough to be interrupted  |
 * | c      | 115 M      | Q8_0    | 32,000     | speed of a small model                   |
 * | d      | 651 M      | Q8_0    | 64,000     | speed of a model that outgrows the cache |
 *
 * A name carries a hash of its spec: a changed preset is a new file, never an old one in disguise.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { type GgufSpec, writeGguf } from './gguf-writer.ts';

/** Raise it when the writer itself changes what a spec means. */
const FORMAT = 1;

const small = { weights: 'F16', vocabulary: 264, seed: 1 } as const;
const large = {
  architecture: 'llama',
  weights: 'Q8_0',
  headSize: 64,
  seed: 1,
  writesAscii: true,
} as const;

export const PRESETS = {
  tiny: {
    ...small,
    architecture: 'llama',
    layers: 2,
    embedding: 64,
    heads: 4,
    keyValueHeads: 2,
    headSize: 16,
    feedForward: 192,
    contextTokens: 2048,
  },
  a: {
    ...small,
    architecture: 'llama',
    layers: 4,
    embedding: 128,
    heads: 4,
    keyValueHeads: 4,
    headSize: 32,
    feedForward: 384,
    contextTokens: 4096,
  },
  b: {
    ...small,
    architecture: 'qwen3',
    layers: 8,
    embedding: 512,
    heads: 8,
    keyValueHeads: 4,
    headSize: 64,
    feedForward: 1568,
    contextTokens: 8192,
  },
  c: {
    ...large,
    layers: 12,
    embedding: 768,
    heads: 12,
    keyValueHeads: 4,
    feedForward: 1696,
    vocabulary: 32_000,
    contextTokens: 8192,
  },
  d: {
    ...large,
    layers: 16,
    embedding: 1536,
    heads: 24,
    keyValueHeads: 8,
    feedForward: 4800,
    vocabulary: 64_000,
    contextTokens: 8192,
  },
} as const satisfies Record<string, GgufSpec>;

export type PresetName = keyof typeof PRESETS;

/** Where presets, and models that were fetched, are kept. */
export const MODELS_DIR = fileURLToPath(new URL('../../.cache/models/', import.meta.url));

/** Returns the path of the preset's file and writes it when it is not there yet. */
export function ensurePreset(name: PresetName): Promise<string> {
  return ensureGguf(`random-${name}`, PRESETS[name]);
}

/** The same for a spec of one's own. */
async function ensureGguf(name: string, spec: GgufSpec): Promise<string> {
  const hash = createHash('sha256')
    .update(JSON.stringify([FORMAT, spec]))
    .digest('hex')
    .slice(0, 10);
  const path = join(MODELS_DIR, `${name}-${hash}.gguf`);
  if (existsSync(path)) return path;
  await mkdir(MODELS_DIR, { recursive: true });
  // Aside and renamed: tests run in several processes, and none may load half a file.
  const aside = `${path}.${process.pid}.part`;
  try {
    await writeGguf(aside, spec);
    await rename(aside, path);
  } finally {
    await rm(aside, { force: true });
  }
  return path;
}
