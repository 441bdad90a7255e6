import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { assertGgufHeader } from '../../../../src/worker/backends/llama-cpp/header.ts';
import { writeGguf } from '../../../support/gguf-writer.ts';
import { PRESETS } from '../../../support/gguf-writer-presets.ts';

const folder = mkdtempSync(join(tmpdir(), 'hearth-header-'));
const path = join(folder, 'model.gguf');
let good: Buffer = Buffer.alloc(0);

beforeAll(async () => {
  await writeGguf(path, PRESETS.tiny);
  good = readFileSync(path);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** With these bytes at `at` instead, or cut there. */
function look(at: number, bytes: Uint8Array | undefined): Promise<void> {
  const file = Buffer.from(good);
  file.set(bytes ?? [], at);
  writeFileSync(path, bytes === undefined ? file.subarray(0, at) : file);
  return assertGgufHeader(path, bytes === undefined ? at : file.length);
}

function u64(value: bigint): Uint8Array {
  return new Uint8Array(new BigUint64Array([value]).buffer);
}

describe('the header of a model file', () => {
  /** The first key is "general.architecture", a string. */
  const KEY = 24;
  const TYPE = KEY + 8 + 20;
  const VALUE = TYPE + 4;

  test('is believed where it is whole', async () => {
    await look(0, Buffer.from('GGUF'));
  });

  test.each([
    ['a key that is too long', KEY, u64(2n ** 27n)],
    ['a key of 2^64 - 1 bytes', KEY, u64(2n ** 64n - 1n)],
    ['a string that is too long', VALUE, u64(2n ** 27n)],
    [
      'an array of too many numbers',
      TYPE,
      new Uint8Array([9, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]),
    ],
    [
      'an array of too many strings',
      TYPE,
      new Uint8Array([9, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]),
    ],
  ])('is not, with %s', async (_what, at, bytes) => {
    await expect(look(at, bytes)).rejects.toThrow('key 1 of the header is longer than the file');
  });

  test.each([
    ['an unknown type', [99, 0, 0, 0]],
    ['an array of arrays', [9, 0, 0, 0, 9, 0, 0, 0]],
  ])('is not, with %s', async (_what, bytes) => {
    await expect(look(TYPE, new Uint8Array(bytes))).rejects.toThrow(
      'key 1 of the header has a value',
    );
  });

  test('is not, where the file ends anywhere in it', async () => {
    const end = good.indexOf('blk.1.ffn_down.weight');
    for (let at = 25; at < end; at += 97) {
      await expect(look(at, undefined)).rejects.toThrow('download it again');
    }
  });

  test('is not, with a tensor of two thousand million dimensions', async () => {
    const name = 'token_embd.weight';
    const at = good.indexOf(name) + name.length;
    await expect(look(at, new Uint8Array([255, 255, 255, 127]))).rejects.toThrow(/^tensor 1 of/);
  });
});
