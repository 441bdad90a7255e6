/**
 * The short names: a few well-known models under permissive or plainly named licences, small to large. What
 * stands here is for choosing; what is fetched, and how large it is, the hub says.
 *
 * Units   bytes, rounded, of the file that is fetched; memory with 8,192 tokens of context.
 */
export interface ShortName {
  readonly name: string;
  readonly repository: string;
  readonly quant: string;
  readonly aboutBytes: number;
  readonly aboutMemoryBytes: number;
  /** SPDX where there is one, else what its owner calls it. */
  readonly licence: string;
  readonly about: string;
}

const GB = 1e9;

export const SHORT_NAMES: readonly ShortName[] = [
  row('smollm2', 'bartowski/SmolLM2-135M-Instruct-GGUF', 'Q8_0', {
    size: 0.15,
    memory: 0.5,
    licence: 'Apache-2.0',
    about: 'tiny; for trying things out',
  }),
  row('qwen3-0.6b', 'Qwen/Qwen3-0.6B-GGUF', 'Q8_0', {
    size: 0.6,
    memory: 2,
    licence: 'Apache-2.0',
    about: 'small, thinks',
  }),
  row('llama-3.2-1b', 'bartowski/Llama-3.2-1B-Instruct-GGUF', 'Q8_0', {
    size: 1.3,
    memory: 2,
    licence: 'Llama 3.2 Community License',
    about: 'small, many languages',
  }),
  row('qwen3-1.7b', 'Qwen/Qwen3-1.7B-GGUF', 'Q8_0', {
    size: 1.8,
    memory: 3,
    licence: 'Apache-2.0',
    about: 'small, thinks',
  }),
  row('llama-3.2-3b', 'bartowski/Llama-3.2-3B-Instruct-GGUF', 'Q4_K_M', {
    size: 2,
    memory: 3.5,
    licence: 'Llama 3.2 Community License',
    about: 'general',
  }),
  row('gemma-3-4b', 'ggml-org/gemma-3-4b-it-GGUF', 'Q4_K_M', {
    size: 2.5,
    memory: 4,
    licence: 'Gemma Terms of Use',
    about: 'general, many languages',
  }),
  row('phi-4-mini', 'unsloth/Phi-4-mini-instruct-GGUF', 'Q4_K_M', {
    size: 2.5,
    memory: 4,
    licence: 'MIT',
    about: 'reasoning and code',
  }),
  row('qwen3-4b', 'Qwen/Qwen3-4B-GGUF', 'Q4_K_M', {
    size: 2.5,
    memory: 4.5,
    licence: 'Apache-2.0',
    about: 'general, thinks',
  }),
  row('mistral-7b', 'bartowski/Mistral-7B-Instruct-v0.3-GGUF', 'Q4_K_M', {
    size: 4.4,
    memory: 6,
    licence: 'Apache-2.0',
    about: 'general',
  }),
  row('qwen3-8b', 'Qwen/Qwen3-8B-GGUF', 'Q4_K_M', {
    size: 5,
    memory: 7,
    licence: 'Apache-2.0',
    about: 'general, thinks',
  }),
  row('gpt-oss-20b', 'ggml-org/gpt-oss-20b-GGUF', 'MXFP4', {
    size: 12.1,
    memory: 14,
    licence: 'Apache-2.0',
    about: 'reasoning',
  }),
];

/** Fetched from the package index where the hub cannot be reached. */
export const PACKAGED_NAME = 'smollm2';

export function findShortName(name: string): ShortName | undefined {
  const wanted = name.toLowerCase();
  return SHORT_NAMES.find((one) => one.name === wanted);
}

function row(
  name: string,
  repository: string,
  quant: string,
  facts: {
    readonly size: number;
    readonly memory: number;
    readonly licence: string;
    readonly about: string;
  },
): ShortName {
  const { size, memory, licence, about } = facts;
  return {
    name,
    repository,
    quant,
    aboutBytes: size * GB,
    aboutMemoryBytes: memory * GB,
    licence,
    about,
  };
}
