/**
 * Random weights as bytes, fast: a stream cipher makes them (gigabytes a second, seeded by the
 * tensor's name), a table gives floats their size.
 *
 * Units   `std` is the standard deviation of the values; they are uniform in ±√3·std.
 * Source  Q8_0 of ggml: blocks of 32 values, an f16 scale and 32 int8.
 */
import { createCipheriv, createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

export type WeightType = 'F32' | 'F16' | 'Q8_0';

/** `enum ggml_type`. */
export const TYPE_NUMBER: Record<WeightType, number> = { F32: 0, F16: 1, Q8_0: 8 };

export interface Fill {
  readonly name: string;
  readonly type: WeightType;
  readonly count: number;
  readonly std: number;
  readonly seed: number;
  /** Values from the first to before the second are 0. In Q8_0 whole blocks. */
  readonly zeros?: readonly [from: number, to: number] | undefined;
}

const BLOCK_VALUES = 32;
const BLOCK_BYTES = 34;
/** Whole Q8_0 blocks and whole floats. */
const CHUNK_BYTES = BLOCK_BYTES * 65_536;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

export function tensorBytes(type: WeightType, count: number): number {
  if (type === 'Q8_0') return Math.ceil(count / BLOCK_VALUES) * BLOCK_BYTES;
  return count * (type === 'F16' ? 2 : 4);
}

export async function writeRandom(file: FileHandle, fill: Fill): Promise<void> {
  const key = createHash('sha256').update(`${fill.seed}/${fill.name}`).digest();
  const cipher = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16));
  const shape = shaper(fill);
  const total = tensorBytes(fill.type, fill.count);
  const [zeroFrom, zeroTo] = (fill.zeros ?? [0, 0]).map((count) => tensorBytes(fill.type, count));
  for (let at = 0; at < total; at += CHUNK_BYTES) {
    const noise = cipher.update(ZEROS.subarray(0, Math.min(total - at, CHUNK_BYTES)));
    const weights = shape(noise);
    weights.fill(0, clamp(zeroFrom! - at, weights.length), clamp(zeroTo! - at, weights.length));
    await file.write(weights);
  }
}

function clamp(offset: number, length: number): number {
  return Math.min(Math.max(offset, 0), length);
}

/** The scale of a norm. Always F32, as llama.cpp's converters keep it. */
export async function writeOnes(file: FileHandle, { count }: Fill): Promise<void> {
  await file.write(new Uint8Array(new Float32Array(count).fill(1).buffer));
}

/** Turns noise into weights, in place. */
function shaper({ type, std }: Fill): (noise: Buffer) => Buffer {
  const limit = std * Math.sqrt(3);
  if (type === 'Q8_0') {
    const scale = toHalf(limit / 128);
    return (noise) => {
      for (let at = 0; at < noise.length; at += BLOCK_BYTES) {
        noise[at] = scale & 255;
        noise[at + 1] = scale >> 8;
      }
      return noise;
    };
  }
  const table = Float64Array.from({ length: 65_536 }, (_, i) => ((i - 32_767.5) / 32_768) * limit);
  if (type === 'F16') {
    const halves = new Uint16Array(Float16Array.from(table).buffer);
    return (noise) => {
      const words = wordsOf(noise, Uint16Array);
      for (let i = 0; i < words.length; i++) words[i] = halves[words[i]!]!;
      return asBytes(words);
    };
  }
  return (noise) => {
    const words = wordsOf(noise, Uint32Array);
    const floats = new Float32Array(words.buffer);
    for (let i = 0; i < words.length; i++) floats[i] = table[words[i]! & 65_535]!;
    return asBytes(words);
  };
}

/** A copy, because a Buffer may start anywhere in its memory and words may not. */
function wordsOf<T extends Uint16Array | Uint32Array>(
  bytes: Buffer,
  Words: new (buffer: ArrayBuffer) => T,
): T {
  return new Words(new Uint8Array(bytes).buffer);
}

function asBytes(words: Uint16Array | Uint32Array): Buffer {
  return Buffer.from(words.buffer, words.byteOffset, words.byteLength);
}

/** Bits of the nearest half float. */
function toHalf(value: number): number {
  return new Uint16Array(Float16Array.of(value).buffer)[0]!;
}
