/**
 * The layers that a configuration is put together from, each over the one before it:
 *
 *   default ◀ tier ◀ file ◀ alias variable ◀ HEARTH_SECTION_KEY ◀ flag
 *
 * A layer writes into one tree of the file's shape and notes where each value came from. Nothing
 * is checked here but what only the layer can see: bad TOML, a variable that means nothing.
 */
import { join } from 'node:path';
import { parse, TomlDate, TomlError } from 'smol-toml';
import { suggest } from '../core/suggest.ts';
import { ALIASES, type Alias, API_KEY_VARIABLE, NEUTRAL } from './aliases.ts';
import type { Key } from './keys.ts';
import { defaultsOf, TIERS_GB, type TierGb, tierOf } from './tiers.ts';
import { locateKeys } from './toml-lines.ts';

export type Source =
  | { readonly kind: 'default' }
  | { readonly kind: 'tier'; readonly tier: TierGb }
  | { readonly kind: 'file'; readonly path: string; readonly line: number | undefined }
  | { readonly kind: 'environment' | 'alias'; readonly name: string }
  | { readonly kind: 'flag'; readonly name: string };

export type Table = Record<string, unknown>;

export interface Layers {
  readonly tree: Table;
  readonly sources: Map<string, Source>;
  readonly problems: string[];
  /** Made on first use: a start with a plain file never needs them. */
  readonly keys: () => ReadonlyMap<string, Key>;
}

/** Where a value came from, in words: `hearth.toml:12`, `env HEARTH_LOG_LEVEL`, `flag --port`, `tier 32`. */
export function showSource(source: Source): string {
  switch (source.kind) {
    case 'default':
      return 'default';
    case 'tier':
      return `tier ${source.tier}`;
    case 'file':
      return source.line === undefined ? source.path : `${source.path}:${source.line}`;
    case 'environment':
      return `env ${source.name}`;
    case 'alias':
      return `alias ${source.name}`;
    case 'flag':
      return `flag ${source.name}`;
  }
}

export function readFile(
  { tree, sources, problems }: Layers,
  file: { path: string; text: string },
): void {
  try {
    const values = parse(file.text, { unsafeKeyBehaviour: 'throw' });
    Object.assign(tree, datesAsText(values) as Table);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '');
    problems.push(`${file.path}:${error.line}: this is not TOML: ${what}. Mend the line.`);
    return;
  }
  for (const [path, line] of locateKeys(file.text)) {
    sources.set(path, { kind: 'file', path: file.path, line });
  }
}

/** TOML has dates, everything else that configures has text. */
function datesAsText(value: unknown): unknown {
  if (value instanceof TomlDate) return value.toISOString();
  if (Array.isArray(value)) return value.map(datesAsText);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, datesAsText(inner)]));
}

export function readEnvironment(
  layers: Layers,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  // Nothing to say about keys when no variable is ours: the usual case, and start-up is measured.
  const names = Object.keys(environment).filter(
    (name) => /^(HEARTH|MLX)_|^HF_HOME$/.test(name) && name !== API_KEY_VARIABLE,
  );
  if (names.length === 0) return;
  const byVariable = new Map(
    [...layers.keys().values()].flatMap((key) =>
      key.variable === undefined ? [] : [[key.variable, key] as const],
    ),
  );
  const aliases = new Map(ALIASES.map((alias) => [alias.name, alias]));

  // Weakest first, so that what is put later wins: old names, own short names, full names.
  for (const { name } of ALIASES.toReversed()) {
    const text = environment[name];
    const alias = aliases.get(name);
    if (text !== undefined && alias && !byVariable.has(name)) readAlias(layers, alias, text);
  }
  for (const name of names.sort()) {
    const text = environment[name];
    const key = byVariable.get(name);
    if (text === undefined) continue;
    if (key) put(layers, key.path, fromText(key, text), { kind: 'environment', name });
    else if (name.startsWith('HEARTH_') && !aliases.has(name)) {
      const near = suggest(name, [...byVariable.keys(), ...aliases.keys()]);
      layers.problems.push(
        `env ${name}: no such setting. ${near ? `Did you mean ${near}?` : 'Unset it; "hearth config show" lists all.'}`,
      );
    }
  }
}

function readAlias(layers: Layers, alias: Alias, text: string): void {
  const key = alias.key === undefined ? undefined : layers.keys().get(alias.key);
  if (key) {
    if (text === '') return;
    const whole = alias.subfolder === undefined ? text : join(text, alias.subfolder);
    put(layers, key.path, fromText(key, whole), { kind: 'alias', name: alias.name });
  } else if (!NEUTRAL.includes(text.trim().toLowerCase())) {
    layers.problems.push(`env ${alias.name}: ${alias.missing}. Unset it.`);
  }
}

export function put({ tree, sources }: Layers, path: string, value: unknown, source: Source): void {
  const [section = '', key = ''] = path.split('.');
  tree[section] ??= {};
  const table = tree[section];
  // A section that is no table is reported by the schema; there is nothing to put into.
  if (typeof table !== 'object' || table === null) return;
  (table as Table)[key] = value;
  sources.set(path, source);
}

/**
 * Puts the defaults of the tier where nothing stands yet; to be called after the other layers. Returns the
 * tier: the one that was chosen, else that of the machine.
 */
export function fillByTier(layers: Layers, memoryBytes: number): TierGb {
  const chosen = valueAt(layers.tree, 'tier.memory_gb');
  // What is neither a tier nor "auto" is for the schema to refuse.
  const tier = TIERS_GB.find((one) => one === chosen) ?? tierOf(memoryBytes);
  for (const [key, value] of defaultsOf(tier, memoryBytes)) {
    if (valueAt(layers.tree, key) === undefined) put(layers, key, value, { kind: 'tier', tier });
  }
  return tier;
}

function valueAt(tree: Table, path: string): unknown {
  const [section = '', key = ''] = path.split('.');
  const table = tree[section];
  return typeof table === 'object' && table !== null ? (table as Table)[key] : undefined;
}

/** What cannot be read stays text, so that the schema's message shows what was written. */
function fromText({ kinds }: Key, text: string): unknown {
  const trimmed = text.trim();
  if (kinds.has('number') && /^[+-]?\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed);
  if (kinds.has('boolean')) {
    if (/^(true|1|yes|on)$/i.test(trimmed)) return true;
    if (/^(false|0|no|off)$/i.test(trimmed)) return false;
  }
  if (kinds.has('list')) {
    return trimmed
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  }
  return trimmed;
}
