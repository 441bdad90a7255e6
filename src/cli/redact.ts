/**
 * Takes out of log fields what must never be in a log: prompts, answers, keys, stop strings,
 * schemas, image data (row SP-003). The second line of defence: callers log facts only.
 *
 * Rules   a field with a sensitive name keeps its kind and length, numbers and booleans stay (they
 *         are counts); in other strings, data URLs and things that look like credentials go.
 *         Deeper than 6 levels nothing is written: logs are flat.
 */
import { isNativeError } from 'node:util/types';

const SENSITIVE = new Set(
  [
    ...['prompt', 'prompts', 'prompttext', 'messages', 'content', 'text', 'input'],
    ...[
      'answer',
      'completion',
      'stop',
      'stops',
      'suffix',
      'schema',
      'jsonschema',
      'responseformat',
    ],
    ...['grammar', 'tools', 'toolcalls', 'arguments', 'body', 'query', 'url', 'headers', 'cookie'],
    ...['authorization', 'apikey', 'xapikey', 'key', 'keys', 'secret', 'password', 'credentials'],
    ...['image', 'imageurl', 'images', 'audio', 'data', 'logitbias'],
  ].map((name) => name.toLowerCase()),
);

const DEPTH_MAX = 6;
const DATA_URL = /data:[\w.+-]+\/[\w.+-]+(?:;[\w=.+-]+)*,[\w+/=%-]*/gi;
const CREDENTIAL = /\b(Bearer|Basic)\s+[\w.~+/=-]+|\bsk-[\w-]{8,}/gi;

export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactObject(fields, 0);
}

function redactObject(fields: object, depth: number): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    result[name] = isSensitive(name) ? outline(value) : redactValue(value, depth);
  }
  return result;
}

function isSensitive(name: string): boolean {
  return SENSITIVE.has(name.replaceAll(/[-_]/g, '').toLowerCase());
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactString(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEPTH_MAX) return '[too deep]';
  if (isNativeError(value)) return redactError(value, depth);
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  return redactObject(value, depth + 1);
}

/** What is said of a redacted value: enough to see that there was one, and how large. */
function outline(value: unknown): unknown {
  if (typeof value === 'string') return `[redacted, ${value.length} characters]`;
  if (Array.isArray(value)) return `[redacted, ${value.length} items]`;
  if (typeof value === 'object' && value !== null) return '[redacted]';
  return value;
}

function redactString(text: string): string {
  // Nearly every string of a log passes here untouched, so look before replacing.
  if (!text.includes('data:') && !/bearer|basic|sk-/i.test(text)) return text;
  return text.replaceAll(DATA_URL, '[redacted data URL]').replaceAll(CREDENTIAL, '[redacted]');
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  const message = quietMessage(error);
  const stack = error.stack?.split('\n').filter((line) => /^\s+at /.test(line));
  return {
    type: error.name,
    ...('code' in error ? { code: error.code } : {}),
    message,
    ...('detail' in error ? { detail: redactValue(error.detail, depth + 1) } : {}),
    ...(stack === undefined ? {} : { stack: stack.join('\n') }),
    ...(error.cause === undefined ? {} : { cause: redactValue(error.cause, depth + 1) }),
  };
}

/** V8 quotes what it could not parse, which is the user's text. */
function quietMessage(error: Error): string {
  return error.name === 'SyntaxError' && error.message.includes('JSON')
    ? 'not valid JSON'
    : redactString(error.message);
}
