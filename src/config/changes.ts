/**
 * What a newer configuration would change on a running server. Pure.
 *
 *   API keys, limits, rate limits, the log level   live: they are applied
 *   models, and what holds for all of them         live: compared one by one
 *   everything else                                fixed: it holds from the next start on
 *
 * Errors  none.
 * Source  workers.md, fault 28.
 */
import { isDeepStrictEqual } from 'node:util';

import type { Setting } from './load.ts';

/** By path, all API keys together as `keys`; models are not among them. Values are JSON. */
export type Values = ReadonlyMap<string, string>;

export interface Changes {
  /** Paths, sorted. */
  readonly live: readonly string[];
  readonly fixed: readonly string[];
}

export interface ModelChanges {
  /** Names. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Described otherwise, or the default now and not before. */
  readonly changed: readonly string[];
}

const LIVE = /^(keys|log\.level|worker\.llama_path|(limits|rate_limit|model_defaults)\..+)$/;
/** Of what is loaded: less of it would have to end a model. */
const FIXED = new Set(['limits.memory_budget_bytes']);

export function toValues(settings: readonly Setting[]): Values {
  const values = new Map<string, string>();
  const keys: (readonly [string, unknown])[] = [];
  for (const { path, value } of settings) {
    const [section] = path.split('.');
    if (section === 'keys') keys.push([path, value]);
    else if (section !== 'models') values.set(path, JSON.stringify(value));
  }
  return values.set('keys', JSON.stringify(keys));
}

export function compareValues(before: Values, after: Values): Changes {
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  const changed = paths.filter((path) => before.get(path) !== after.get(path));
  return {
    live: changed.filter((path) => isLive(path)),
    fixed: changed.filter((path) => !isLive(path)),
  };
}

/** What holds once the live ones have been applied. */
export function applyLive(before: Values, after: Values): Values {
  return new Map([
    ...[...before].filter(([path]) => !isLive(path)),
    ...[...after].filter(([path]) => isLive(path)),
  ]);
}

/** In the order of the table, the default first. */
export function compareModels<Model extends { readonly name: string }>(
  before: readonly Model[],
  after: readonly Model[],
): ModelChanges {
  const [old, young] = [before, after].map(
    (models) => new Map(models.map((model) => [model.name, model])),
  ) as [Map<string, Model>, Map<string, Model>];
  const isDefaultAnother = before[0]?.name !== after[0]?.name;
  return {
    added: [...young.keys()].filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !young.has(name)),
    changed: [...young].flatMap(([name, model], index) => {
      if (!old.has(name)) return [];
      const isAnother = !isDeepStrictEqual(old.get(name), model);
      return isAnother || (index === 0 && isDefaultAnother) ? [name] : [];
    }),
  };
}

function isLive(path: string): boolean {
  return LIVE.test(path) && !FIXED.has(path);
}
