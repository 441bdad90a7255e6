/**
 * The JSON of a body that somebody wrote by hand or collected from anywhere.
 *
 * Errors  BodyError in one line. Nesting is counted before it is read: what walks a schema follows it by
 *         recursion in places, and nobody writes so many levels.
 */
import { isUtf8 } from 'node:buffer';

export class BodyError extends Error {
  override name = 'BodyError';
}

const LEVELS_MAX = 200;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export function parseBody(bytes: Uint8Array): unknown {
  if (!isUtf8(bytes)) throw new BodyError('it is not UTF-8');
  if (levelsOf(bytes) > LEVELS_MAX) {
    throw new BodyError(`more than ${LEVELS_MAX} lists and objects stand inside of each other`);
  }
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch (error) {
    // V8's words quote what it read, which may be long.
    const why = error instanceof Error ? error.message.replaceAll(/\s+/g, ' ') : '';
    throw new BodyError(`it is not JSON: ${why.slice(0, 120)}`);
  }
}

interface Source {
  readonly source?: string;
}

/**
 * The same, with numbers such as `1.0` and `1e2` as they are spelled when it is written again: to draft 4
 * they are no integers, and a value does not show it.
 */
export function parseSpelled(bytes: Uint8Array): unknown {
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
  // TypeScript knows neither: https://tc39.es/proposal-json-parse-with-source/
  const reviver = (_key: string, value: unknown, { source }: Source = {}) =>
    Number.isInteger(value) && source !== undefined && /[.e]/i.test(source)
      ? rawJSON(source)
      : value;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  return JSON.parse(text, reviver as (key: string, value: unknown) => unknown);
}

/** Of text that may be no JSON at all: brackets outside of strings, the deepest. */
function levelsOf(bytes: Uint8Array): number {
  let level = 0;
  let deepest = 0;
  let isString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (isString) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) isString = false;
    } else if (byte === QUOTE) isString = true;
    // [ and {, ] and }: they differ in one bit.
    else if ((byte | 0x20) === 0x7b) deepest = Math.max(deepest, ++level);
    else if ((byte | 0x20) === 0x7d) level--;
  }
  return deepest;
}
