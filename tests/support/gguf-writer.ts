/**
 * Writes GGUF files with seeded random weights: every shape a test or a bench needs, without a
 * download. The text such a model writes is noise; its speed, memory and logits are real.
 *
 *   metadata ── gguf-writer-vocabulary.ts (tokens, merges, ChatML)
 *   tensors  ── gguf-writer-weights.ts    (same seed and name, same bytes)
 *   file     ── here, streamed: 650 M parameters need 8 MiB of memory
 *
 * Units   `…Tokens` tokens; sizes of a spec are counts of values, as in the model's own metadata.
 * Errors  RangeError for a shape that llama.cpp could not load; `fs` errors as they are.
 * Source  GGUF version 3, docs/gguf.md of ggml; tensor names and shapes of llama.cpp's
 *         `llama` and `qwen3` architectures.
 */
import { open } from 'node:fs/promises';

import {
  BEGIN_OF_TEXT,
  CHAT_TEMPLATE,
  END_OF_TURN,
  makeVocabulary,
} from './gguf-writer-vocabulary.ts';
import {
  TYPE_NUMBER,
  tensorBytes,
  type WeightType,
  writeOnes,
  writeRandom,
} from './gguf-writer-weights.ts';

export interface GgufSpec {
  readonly architecture: 'llama' | 'qwen3';
  readonly weights: WeightType;
  readonly layers: number;
  readonly embedding: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  readonly feedForward: number;
  /** At least 264: the 256 bytes and eight special tokens. The rest are merges. */
  readonly vocabulary: number;
  readonly contextTokens: number;
  readonly seed: number;
  /**
   * The bytes from 128 on never win, so that every answer is valid UTF-8. In a vocabulary of
   * thousands: their logits are 0, and there must be enough others above it.
   */
  readonly writesAscii?: boolean;
  /** Written instead of what the spec says, or left out when undefined. For broken files. */
  readonly metadata?: Readonly<Record<string, MetadataValue | undefined>>;
  /** Tensors that the file names but does not hold, or holds with another shape. For broken files. */
  readonly tensors?: Readonly<Record<string, readonly number[] | undefined>>;
}

export type MetadataValue = string | boolean | Uint32 | Float32 | readonly string[] | Int32Array;
/** GGUF types its numbers, JavaScript does not. */
export interface Uint32 {
  readonly u32: number;
}
export interface Float32 {
  readonly f32: number;
}

interface Tensor {
  readonly name: string;
  /** As GGUF counts: the length of a row first. */
  readonly shape: readonly number[];
  readonly type: WeightType;
  /** Values are uniform in ±√3·std, or 1 when undefined (the scale of a norm). */
  readonly std: number | undefined;
  readonly zeros?: readonly [from: number, to: number] | undefined;
}

const ALIGNMENT = 32;
const FILE_TYPE: Record<WeightType, number> = { F32: 0, F16: 1, Q8_0: 7 };
const KIND = { u32: 4, f32: 6, bool: 7, string: 8, array: 9 } as const;

/** Number of weights in a file of this spec. */
export function countParameters(spec: GgufSpec): number {
  return listTensors(spec).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

/** Writes the file in place: give it a temporary name and rename it, or a folder of its own. */
export async function writeGguf(path: string, spec: GgufSpec): Promise<void> {
  assertShape(spec);
  const tensors = listTensors(spec);
  const file = await open(path, 'w');
  try {
    await file.write(header(metadataOf(spec), tensors));
    for (const tensor of tensors) {
      const count = tensor.shape.reduce((a, b) => a * b, 1);
      const write = tensor.std === undefined ? writeOnes : writeRandom;
      await write(file, { ...tensor, count, std: tensor.std ?? 1, seed: spec.seed });
      await file.write(Buffer.alloc(padding(tensorBytes(tensor.type, count))));
    }
  } finally {
    await file.close();
  }
}

function assertShape(spec: GgufSpec): void {
  if (spec.weights === 'Q8_0' && [spec.embedding, spec.feedForward].some((n) => n % 32 !== 0)) {
    throw new RangeError(
      `Q8_0 rows are blocks of 32 values, got ${spec.embedding} and ${spec.feedForward}`,
    );
  }
  if (spec.heads % spec.keyValueHeads !== 0) {
    throw new RangeError(`${spec.heads} heads do not share ${spec.keyValueHeads} key-value heads`);
  }
}

function metadataOf(spec: GgufSpec): Map<string, MetadataValue> {
  const { architecture: arch } = spec;
  const vocabulary = makeVocabulary(spec.vocabulary);
  const id = (text: string): Uint32 => ({ u32: vocabulary.tokens.indexOf(text) });
  const all: Record<string, MetadataValue | undefined> = {
    'general.architecture': arch,
    'general.name': `random ${arch} ${spec.seed}`,
    'general.file_type': { u32: FILE_TYPE[spec.weights] },
    'general.alignment': { u32: ALIGNMENT },
    [`${arch}.context_length`]: { u32: spec.contextTokens },
    [`${arch}.embedding_length`]: { u32: spec.embedding },
    [`${arch}.block_count`]: { u32: spec.layers },
    [`${arch}.feed_forward_length`]: { u32: spec.feedForward },
    [`${arch}.attention.head_count`]: { u32: spec.heads },
    [`${arch}.attention.head_count_kv`]: { u32: spec.keyValueHeads },
    [`${arch}.attention.key_length`]: { u32: spec.headSize },
    [`${arch}.attention.value_length`]: { u32: spec.headSize },
    [`${arch}.attention.layer_norm_rms_epsilon`]: { f32: 1e-5 },
    [`${arch}.rope.dimension_count`]: { u32: spec.headSize },
    [`${arch}.rope.freq_base`]: { f32: 10_000 },
    [`${arch}.vocab_size`]: { u32: spec.vocabulary },
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    'tokenizer.ggml.tokens': vocabulary.tokens,
    'tokenizer.ggml.token_type': Int32Array.from(vocabulary.types),
    'tokenizer.ggml.merges': vocabulary.merges,
    'tokenizer.ggml.bos_token_id': id(BEGIN_OF_TEXT),
    'tokenizer.ggml.eos_token_id': id(END_OF_TURN),
    'tokenizer.ggml.eot_token_id': id(END_OF_TURN),
    'tokenizer.ggml.padding_token_id': id(BEGIN_OF_TEXT),
    'tokenizer.ggml.fim_pre_token_id': id('<|fim_prefix|>'),
    'tokenizer.ggml.fim_suf_token_id': id('<|fim_suffix|>'),
    'tokenizer.ggml.fim_mid_token_id': id('<|fim_middle|>'),
    'tokenizer.ggml.add_bos_token': false,
    'tokenizer.chat_template': CHAT_TEMPLATE,
    ...spec.metadata,
  };
  const kept = new Map<string, MetadataValue>();
  for (const [key, value] of Object.entries(all)) if (value !== undefined) kept.set(key, value);
  return kept;
}

/**
 * Each matrix has std 1/√(row length), so that values keep their size through the layers. Queries
 * and keys have more: attention then picks tokens instead of averaging them, and what a test puts
 * into the prompt shows in the answer. Logits have a std of 3: an answer that is neither fixed nor
 * flat.
 */
function listTensors(spec: GgufSpec): Tensor[] {
  const { weights: type, embedding, headSize, feedForward, vocabulary } = spec;
  const queries = spec.heads * headSize;
  const keys = spec.keyValueHeads * headSize;
  const list: Tensor[] = [];
  const norm = (name: string, length: number) =>
    list.push({ name: `${name}.weight`, shape: [length], type: 'F32', std: undefined });
  const matrix = (name: string, row: number, rows: number, gain = 1) =>
    list.push({ name: `${name}.weight`, shape: [row, rows], type, std: gain / Math.sqrt(row) });

  matrix('token_embd', embedding, vocabulary, Math.sqrt(embedding));
  for (let layer = 0; layer < spec.layers; layer++) {
    const block = `blk.${layer}`;
    norm(`${block}.attn_norm`, embedding);
    matrix(`${block}.attn_q`, embedding, queries, 1.5);
    matrix(`${block}.attn_k`, embedding, keys, 1.5);
    matrix(`${block}.attn_v`, embedding, keys);
    matrix(`${block}.attn_output`, queries, embedding);
    if (spec.architecture === 'qwen3') {
      norm(`${block}.attn_q_norm`, headSize);
      norm(`${block}.attn_k_norm`, headSize);
    }
    norm(`${block}.ffn_norm`, embedding);
    matrix(`${block}.ffn_gate`, embedding, feedForward);
    matrix(`${block}.ffn_up`, embedding, feedForward);
    matrix(`${block}.ffn_down`, feedForward, embedding);
  }
  norm('output_norm', embedding);
  matrix('output', embedding, vocabulary, 3);
  if (spec.writesAscii) {
    list.push({ ...list.pop()!, zeros: [128 * embedding, 256 * embedding] });
  }

  return list.flatMap((tensor) => {
    if (spec.tensors === undefined || !(tensor.name in spec.tensors)) return [tensor];
    const shape = spec.tensors[tensor.name];
    return shape === undefined ? [] : [{ ...tensor, shape }];
  });
}

function header(metadata: Map<string, MetadataValue>, tensors: readonly Tensor[]): Buffer {
  const parts = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(metadata.size)];
  for (const [key, value] of metadata) parts.push(string(key), ...typed(value));
  let offset = 0;
  for (const { name, shape, type } of tensors) {
    parts.push(string(name), u32(shape.length), ...shape.map(u64), u32(TYPE_NUMBER[type]));
    parts.push(u64(offset));
    const bytes = tensorBytes(
      type,
      shape.reduce((a, b) => a * b, 1),
    );
    offset += bytes + padding(bytes);
  }
  const bytes = Buffer.concat(parts);
  return Buffer.concat([bytes, Buffer.alloc(padding(bytes.length))]);
}

function typed(value: MetadataValue): Buffer[] {
  if (typeof value === 'string') return [u32(KIND.string), string(value)];
  if (typeof value === 'boolean') return [u32(KIND.bool), Buffer.from([value ? 1 : 0])];
  if (value instanceof Int32Array) {
    return [u32(KIND.array), u32(5), u64(value.length), Buffer.from(value.buffer)];
  }
  if ('u32' in value) return [u32(KIND.u32), u32(value.u32)];
  if ('f32' in value) return [u32(KIND.f32), Buffer.from(Float32Array.of(value.f32).buffer)];
  return [u32(KIND.array), u32(KIND.string), u64(value.length), ...value.map(string)];
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function padding(bytes: number): number {
  return (ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT;
}
