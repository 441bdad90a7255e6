/** The pulled models as a server serves them: loaded by the first request, behind those that are configured. */
import type { Config } from '../config/settings.ts';
import type { ModelEntry } from '../models/catalogue.ts';
import { listPulled } from '../models/pull/pulled-models.ts';
import { SET_UP_MLX } from './mlx/environment.ts';

export interface PulledEntries {
  readonly entries: readonly ModelEntry[];
  /** Why some are not among them, one line each. */
  readonly notes: readonly string[];
}

/** `first` are served before them: their names are taken. Those for MLX need it to be set up. */
export function pulledEntries(
  { paths }: Config,
  first: readonly ModelEntry[],
  { hasMlx }: { readonly hasMlx: boolean },
): PulledEntries {
  const { models, problems } = listPulled(paths.modelsDir);
  const taken = new Set(first.map(({ name }) => name));
  const entries: ModelEntry[] = [];
  const notes = [...problems];
  const withoutMlx: string[] = [];
  for (const { manifest, path } of models) {
    const { name, format, sampling = {} } = manifest;
    if (taken.has(name)) {
      notes.push(`the pulled model ${name} is not served: another model is called ${name}`);
    } else if (format === 'mlx' && !hasMlx) withoutMlx.push(name);
    else {
      const { temperature, top_p: topP } = sampling;
      const defaults = {
        ...(temperature === undefined ? {} : { temperature }),
        ...(topP === undefined ? {} : { topP }),
      };
      entries.push({
        name,
        path,
        backend: format === 'mlx' ? 'mlx' : 'llama-cpp',
        preload: false,
        defaults,
      });
    }
  }
  if (withoutMlx.length > 0) {
    notes.push(`not served: ${withoutMlx.join(', ')}, for MLX, which is not set up. ${SET_UP_MLX}`);
  }
  return { entries, notes };
}
