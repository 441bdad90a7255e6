/**
 * GGUF files that are broken in the ways downloads, disks and converters break them. Each writes a
 * new file from the tiny preset and takes milliseconds.
 *
 *   loads: 'no'     node-llama-cpp throws an error
 *          'aborts' llama.cpp ends the process (GGML_ASSERT): why models live in processes of their own
 *          'hangs'  node-llama-cpp's own reader believes the count and does not come back
 *
 * Source  the list of variants in the design page on GGUF, section 3.9.
 */
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { writeGguf } from './gguf-writer.ts';
import { PRESETS } from './gguf-writer-presets.ts';

export interface Corruption {
  readonly loads: 'no' | 'aborts' | 'hangs';
  readonly write: (path: string) => Promise<void>;
}

const { tiny } = PRESETS;

export const CORRUPTIONS = {
  empty: { loads: 'no', write: (path) => writeFile(path, '') },
  html: {
    loads: 'no',
    write: (path) =>
      writeFile(path, '<!DOCTYPE html><html><head><title>404</title></head></html>\n'),
  },
  'magic-only': { loads: 'no', write: (path) => writeFile(path, 'GGUF') },
  'truncated-header': { loads: 'no', write: (path) => truncated(path, 1000) },
  'truncated-weights': { loads: 'no', write: (path) => truncated(path, -100_000) },
  'wrong-version': { loads: 'no', write: (path) => patched(path, 4, [99, 0, 0, 0]) },
  'too-many-tensors': { loads: 'hangs', write: (path) => patched(path, 8, [255, 255, 255, 127]) },
  'too-many-keys': { loads: 'no', write: (path) => patched(path, 16, [255, 255, 255, 127]) },
  'key-too-long': { loads: 'no', write: (path) => patched(path, 24, [255, 255, 255, 255, 255]) },
  'fuzzed-header': { loads: 'no', write: fuzzed },
  'unknown-architecture': {
    loads: 'no',
    write: (path) =>
      writeGguf(path, { ...tiny, metadata: { 'general.architecture': 'no-such-architecture' } }),
  },
  'no-vocabulary': {
    loads: 'no',
    write: (path) => writeGguf(path, { ...tiny, metadata: { 'tokenizer.ggml.tokens': undefined } }),
  },
  'no-layer-count': {
    loads: 'no',
    write: (path) => writeGguf(path, { ...tiny, metadata: { 'llama.block_count': undefined } }),
  },
  'missing-tensor': {
    loads: 'no',
    write: (path) => writeGguf(path, { ...tiny, tensors: { 'blk.1.ffn_up.weight': undefined } }),
  },
  'wrong-tensor-shape': {
    loads: 'no',
    write: (path) => writeGguf(path, { ...tiny, tensors: { 'blk.0.attn_q.weight': [32, 64] } }),
  },
  'zero-heads': {
    loads: 'aborts',
    write: (path) =>
      writeGguf(path, { ...tiny, metadata: { 'llama.attention.head_count': { u32: 0 } } }),
  },
} as const satisfies Record<string, Corruption>;

export type CorruptionName = keyof typeof CORRUPTIONS;

/** Writes the broken file into `folder` and returns its path. */
export async function writeCorruptGguf(folder: string, name: CorruptionName): Promise<string> {
  const path = join(folder, `${name}.gguf`);
  await CORRUPTIONS[name].write(path);
  return path;
}

/** Keeps the first `bytes`, or all but the last `-bytes`. */
async function truncated(path: string, bytes: number): Promise<void> {
  await writeGguf(path, tiny);
  const file = await open(path, 'r+');
  try {
    await file.truncate(bytes < 0 ? (await file.stat()).size + bytes : bytes);
  } finally {
    await file.close();
  }
}

async function patched(path: string, at: number, bytes: readonly number[]): Promise<void> {
  await writeGguf(path, tiny);
  const file = await open(path, 'r+');
  try {
    await file.write(Uint8Array.from(bytes), 0, bytes.length, at);
  } finally {
    await file.close();
  }
}

/** Every seventh byte of the first kilobyte after the counts is another. */
async function fuzzed(path: string): Promise<void> {
  await writeGguf(path, tiny);
  const file = await open(path, 'r+');
  try {
    const header = Buffer.alloc(1024);
    await file.read(header, 0, header.length, 24);
    for (let at = 0; at < header.length; at += 7) header[at] = header[at]! ^ 0xa5;
    await file.write(header, 0, header.length, 24);
  } finally {
    await file.close();
  }
}
