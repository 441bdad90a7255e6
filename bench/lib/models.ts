/** The models that are measured, made or fetched on first use. */
import { ensureSmolLm2 } from '../../src/models/smollm2.ts';
import { ensurePreset, MODELS_DIR, PRESETS } from '../../tests/support/gguf-writer-presets.ts';

/** Without a `vocabulary` the prompts are words. */
export const BENCH_MODELS = {
  smollm2: { title: 'SmolLM2-135M Q4_1', vocabulary: undefined, isQ8: false },
  c: { title: '115 M Q8_0 (random weights)', vocabulary: PRESETS.c.vocabulary, isQ8: true },
  d: { title: '650 M Q8_0 (random weights)', vocabulary: PRESETS.d.vocabulary, isQ8: true },
} as const;

export type BenchModel = keyof typeof BENCH_MODELS;

export function modelFile(name: BenchModel): Promise<string> {
  return name === 'smollm2' ? ensureSmolLm2({ cacheDir: MODELS_DIR }) : ensurePreset(name);
}
