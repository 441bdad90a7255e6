/** The pulled models as a server serves them: loaded by the first request, behind those that are configured. */
import type { Config } from '../config/settings.ts';
import type { ModelEntry } from '../models/catalogue.ts';
import { listPulled } from '../models/pull/pulled-models.ts';

export interface PulledEntries {
  readonly entries: readonly ModelEntry[];
  /** Why some are not among them, one line each. */
  readonly notes: readonly string[];
}

/** `first` are served before them: their names are taken. */
export function pulledEntries({ paths }: Config, first: readonly ModelEntry[]): PulledEntries {
  const { models, problems } = listPulled(paths.modelsDir);
  const taken = new Set(first.map(({ name }) => name));
  const entries: ModelEntry[] = [];
  const notes = [...problems];
  const unbuilt: string[] = [];
  for (const { manifest, path } of models) {
    const { name, format, sampling = {} } = manifest;
    if (taken.has(name)) {
      notes.push(`the pulled model ${name} is not served: another model is called ${name}`);
    } else if (format === 'mlx') unbuilt.push(name);
    else {
      const { temperature, top_p: topP } = sampling;
      const defaults = {
        ...(temperature === undefined ? {} : { temperature }),
        ...(topP === undefined ? {} : { topP }),
      };
      entries.push({ name, path, backend: 'llama-cpp', preload: false, defaults });
    }
  }
  if (unbuilt.length > 0) {
    notes.push(`not served: ${unbuilt.join(', ')}; the MLX worker is not built yet`);
  }
  return { entries, notes };
}
