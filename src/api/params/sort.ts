/**
 * Sorts the fields of a body into honoured, harmless, unsupported and unheard-of, and refuses what
 * would otherwise be ignored in silence.
 *
 * Errors  RequestError `unsupported_parameter`, `param` names the field as the client wrote it.
 */
import { isDeepStrictEqual } from 'node:util';

import { RequestError } from '../../core/errors.ts';
import type { JsonObject } from '../body.ts';
import type { UnsupportedTable } from './known.ts';

/** A header must stay small, whatever a client invents. */
const NAMES_MAX = 32;
const NAME_LENGTH_MAX = 64;

export interface Tables {
  /** Names that the schema reads. Wins over the others. */
  readonly schema: Readonly<Record<string, unknown>>;
  readonly unsupported: UnsupportedTable;
}

/** Throws for the first field that cannot be honoured; returns the names nobody has heard of. */
export function findUnheardOf(body: JsonObject, { schema, unsupported }: Tables): string[] {
  const names: string[] = [];
  for (const name of Object.keys(body)) {
    const entry = Object.hasOwn(unsupported, name) ? unsupported[name] : undefined;
    if (entry !== undefined) {
      if (isNeutral(body[name], entry.neutral)) continue;
      throw unsupportedParameter(name, entry.hint);
    }
    if (!Object.hasOwn(schema, name)) names.push(name);
  }
  return names;
}

function isNeutral(value: unknown, neutral: readonly unknown[] = []): boolean {
  if (value === null) return true;
  if (neutral.some((each) => isDeepStrictEqual(each, value))) return true;
  if (value === false) return !neutral.includes(true);
  return Array.isArray(value) && value.length === 0;
}

export function unsupportedParameter(param: string, hint?: string): RequestError {
  const why = hint === undefined ? '' : `: ${hint}`;
  return new RequestError(
    'unsupported_parameter',
    `\`${param}\` is not supported by this server${why}; leave it out`,
    { param },
  );
}

/** `strict`: what would be ignored is refused. */
export function refuseUnheardOf(names: readonly string[]): void {
  const [name] = names;
  if (name === undefined) return;
  throw unsupportedParameter(safeName(name), 'nobody here has heard of it, and `strict` is set');
}

/** Field names as header and log can take them. */
export function safeNames(names: readonly string[]): string[] {
  const safe = names.slice(0, NAMES_MAX).map(safeName);
  if (names.length > NAMES_MAX) safe.push(`and ${names.length - NAMES_MAX} more`);
  return safe;
}

function safeName(name: string): string {
  // toWellFormed: encodeURIComponent throws on half a surrogate pair, which slicing can make.
  const short = name.slice(0, NAME_LENGTH_MAX).toWellFormed();
  return encodeURIComponent(short).replaceAll('%5B', '[').replaceAll('%5D', ']');
}
