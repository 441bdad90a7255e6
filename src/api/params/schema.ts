/**
 * Runs a zod schema over a body and says what is wrong in one line, with `param` as the client
 * would write it (`messages[0].content`).
 *
 * Errors  RequestError missing_required_parameter, invalid_type or invalid_value. Values of the
 *         client never stand in the message: they may be prompts.
 */
import type * as z from 'zod';

import { RequestError } from '../../core/errors.ts';
import type { JsonObject } from '../body.ts';

type Issue = z.core.$ZodIssue;

export function parseWith<T extends z.ZodType>(schema: T, body: JsonObject): z.output<T> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw toRequestError(result.error.issues[0]!, body);
}

function toRequestError(outer: Issue, body: JsonObject): RequestError {
  const { issue, path } = deepest(outer, []);
  const param = written(path);
  const value = valueAt(body, path);
  const isMissing = value === undefined || (value === null && isTypeIssue(issue));
  if (isMissing) {
    const message = `Missing required parameter \`${param}\`; ${expected(issue)}`;
    return new RequestError('missing_required_parameter', message, { param });
  }
  if (isTypeIssue(issue)) {
    const message = `\`${param}\` has the wrong type: ${expected(issue)}, got ${typeName(value)}`;
    return new RequestError('invalid_type', message, { param });
  }
  return new RequestError('invalid_value', `\`${param}\`: ${expected(issue)}`, { param });
}

/** Inside a union one branch is the one that was meant: see `rank`. */
function deepest(
  issue: Issue,
  before: readonly PropertyKey[],
): { issue: Issue; path: PropertyKey[] } {
  const path = [...before, ...issue.path];
  if (issue.code === 'invalid_key') return { issue, path };
  if (issue.code !== 'invalid_union') return { issue, path };
  let best: { issue: Issue; path: PropertyKey[] } | undefined;
  for (const branch of issue.errors) {
    const first = branch[0];
    if (first === undefined) continue;
    const found = deepest(first, path);
    const isBetter = best === undefined || rank(found) > rank(best);
    if (isBetter) best = found;
  }
  // Every branch stopped at the value itself: the union's own words name them all.
  if (best === undefined || (best.path.length === path.length && isTypeIssue(best.issue))) {
    return { issue, path };
  }
  return best;
}

/** A value that was read and refused says more than a type that did not fit; then the deeper. */
function rank({ issue, path }: { readonly issue: Issue; readonly path: PropertyKey[] }): number {
  return (isTypeIssue(issue) ? 0 : 1000) + path.length;
}

function isTypeIssue(issue: Issue): boolean {
  if (issue.code === 'invalid_type') return issue.expected !== 'int';
  if (issue.code !== 'invalid_union') return false;
  return issue.errors.length > 0;
}

function expected(issue: Issue): string {
  // A schema's own words say more than what can be told from the issue.
  if (issue.message.startsWith('expected ') && issue.code !== 'invalid_type') return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${words(issue.expected)}`;
    case 'too_small':
      return `expected ${bound('at least', 'more than', issue.minimum, issue.inclusive, issue.origin)}`;
    case 'too_big':
      return `expected ${bound('at most', 'less than', issue.maximum, issue.inclusive, issue.origin)}`;
    case 'invalid_value':
      return `expected ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'invalid_union':
      return issue.errors.length === 0
        ? `expected one of ${(issue as { options?: readonly unknown[] }).options?.join(', ') ?? 'the known kinds'}`
        : `expected ${unionWords(issue.errors)}`;
    case 'invalid_key':
      return issue.issues[0]?.message ?? 'expected another key';
    default:
      return issue.message;
  }
}

function bound(
  closed: string,
  open: string,
  limit: number | bigint,
  inclusive: boolean | undefined,
  origin: string,
): string {
  const word = origin === 'array' ? ' element' : origin === 'string' ? ' character' : '';
  const unit = word === '' || limit === 1 ? word : `${word}s`;
  return `${inclusive === false ? open : closed} ${limit}${unit}`;
}

function unionWords(branches: readonly (readonly Issue[])[]): string {
  const names = branches.flatMap(([first]) =>
    first?.code === 'invalid_type' ? [words(first.expected)] : [],
  );
  return [...new Set(names)].join(' or ') || 'another kind of value';
}

function words(expectedType: string): string {
  if (expectedType === 'int') return 'an integer';
  if (expectedType === 'record') return 'an object';
  return /^[aeiou]/.test(expectedType) ? `an ${expectedType}` : `a ${expectedType}`;
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return words(typeof value);
}

function written(path: readonly PropertyKey[]): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else text += text === '' ? String(key) : `.${String(key)}`;
  }
  return text;
}

function valueAt(body: unknown, path: readonly PropertyKey[]): unknown {
  let value = body;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}
