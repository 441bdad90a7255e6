/**
 * A line for everything the schema refuses: where it stands, what was written, what to write.
 */
import type * as z from 'zod';
import { suggest } from '../core/suggest.ts';
import { type Layers, showSource, type Table } from './layers.ts';
import { notBuilt } from './not-built.ts';
import { FileSchema } from './schema.ts';

export function explain(layers: Layers, issue: z.core.$ZodIssue): readonly string[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => explainUnknown(layers, [...path, key]));
  }
  const at = path.join('.');
  const where = place(layers, path);
  if (issue.code === 'invalid_key') {
    return [`${where}: "${path.at(-1)}" ${issue.issues[0]?.message ?? 'is not a valid name'}.`];
  }
  const own = pathOfKey(path);
  const key = layers.keys().get(own);
  const value = valueAt(layers.tree, path);
  // Somebody may have written the secret itself.
  const shown = own === 'keys.sha256' ? '(not shown)' : show(value);
  if (value === undefined && key) return [`${where}: ${at} is missing. Write ${key.expected}.`];
  if (isOurs(issue)) return [`${where}: ${at} = ${shown} ${ourMessage(issue)}.`];
  const expected = key?.expected ?? (typeof value === 'object' ? 'other keys' : 'a table');
  return [`${where}: ${at} = ${shown} is not accepted. Write ${expected}.`];
}

function explainUnknown(layers: Layers, path: readonly string[]): string {
  const at = path.join('.');
  const where = place(layers, path);
  const missing = notBuilt(at);
  if (missing !== undefined) return `${where}: ${at}: not built yet (${missing}). Remove the key.`;
  const near = suggest(path.at(-1) ?? '', siblings(layers, path.slice(0, -1)));
  const hint =
    near === undefined ? 'Remove it; "hearth config show" lists all.' : `Did you mean "${near}"?`;
  return `${where}: unknown key "${at}". ${hint}`;
}

/** Names that may stand where an unknown one stood. */
function siblings({ keys }: Layers, table: readonly string[]): readonly string[] {
  if (table.length === 0) return Object.keys(FileSchema.shape);
  const section = pathOfKey(table);
  const names = [...keys().values()].filter((key) => key.section === section);
  return [...names.map((key) => key.key), ...(section === 'models.NAME' ? ['defaults'] : [])];
}

/** `models.small.path` → `models.NAME.path`, `keys.0.name` → `keys.name`; list positions are dropped. */
function pathOfKey(path: readonly string[]): string {
  const [section, , ...rest] = path;
  if (section === 'models' && path.length > 1) return ['models', 'NAME', ...rest].join('.');
  if (section === 'keys' && path.length > 1) return ['keys', ...rest].join('.');
  return path.slice(0, 2).join('.');
}

function place({ sources }: Layers, path: readonly string[]): string {
  for (let length = path.length; length > 0; length--) {
    const source = sources.get(path.slice(0, length).join('.'));
    if (source) return showSource(source);
  }
  return 'configuration';
}

/** By place, lines as numbers: the order in which a reader mends them. */
export function byPlace(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** Messages that the schema words itself, beginning with a verb. */
function isOurs(issue: z.core.$ZodIssue): boolean {
  return /^(is not|cannot)\b/.test(ourMessage(issue));
}

function ourMessage(issue: z.core.$ZodIssue): string {
  // A union reports per branch; the branch with our own words is the one that came closest.
  if (issue.code !== 'invalid_union') return issue.message;
  const inner = issue.errors.flat().map((one) => one.message);
  return inner.find((message) => /^(is not|cannot)\b/.test(message)) ?? issue.message;
}

function valueAt(tree: Table, path: readonly string[]): unknown {
  let value: unknown = tree;
  for (const name of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Table)[name];
  }
  return value;
}

function show(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
