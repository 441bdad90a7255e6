/** `docs/api-compat.md`: which parameter is honoured, harmless or refused, from the tables that decide it. */
import * as z from 'zod';

import { ChatBody } from '../src/api/params/chat.ts';
import { CompletionBody } from '../src/api/params/completion.ts';
import {
  CHAT_UNSUPPORTED,
  COMPLETION_UNSUPPORTED,
  HARMLESS,
  type Unsupported,
} from '../src/api/params/known.ts';

interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly multipleOf?: number;
}

/** Bounds of the number type, which say nothing to a reader. */
const UNBOUNDED = 2 ** 31 - 1;
/** Their schemas are too long for a cell. */
const IN_WORDS: Readonly<Record<string, string>> = {
  messages:
    'a list of turns: roles `system`, `developer`, `user`, `assistant` (also with `tool_calls`), `tool`; content as text or text parts',
  prompt: 'a string, up to 64 strings, a list of token ids, or up to 64 of them',
  seed: 'a whole number',
  stop: 'a string, or up to 4',
  stream_options: '`include_usage`, `include_obfuscation`; only with `stream`',
  logit_bias: 'token ids to numbers from -100 to 100',
};

export function apiCompatPage(): string {
  return `${HEAD}
${honouredTable()}

### Accepted without effect

They have no meaning on one's own machine: ${names(Object.keys(HARMLESS))}.
\`prompt_cache_key\` keeps the requests of a conversation together.

### Known and refused

Each is accepted with \`null\`, \`false\`, \`[]\` or the neutral value below, and is else a 400
\`unsupported_parameter\` whose \`param\` names it. \`false\` is not neutral where the neutral value is
\`true\`.

| parameter | route | neutral value | instead |
|---|---|---|---|
${unsupportedRows().join('\n')}
`;
}

function honouredTable(): string {
  const chat = propertiesOf(ChatBody);
  const completion = propertiesOf(CompletionBody);
  const rows = [...new Set([...chat.keys(), ...completion.keys()])]
    .filter((name) => !Object.hasOwn(HARMLESS, name))
    .map((name) => {
      const schema = chat.get(name) ?? completion.get(name)!;
      const value = IN_WORDS[name] ?? describe(schema);
      return `| \`${name}\` | ${routeOf(chat.has(name), completion.has(name))} | ${value} | ${schema.description ?? ''} |`;
    });
  return ['| parameter | route | value | |', '|---|---|---|---|', ...rows].join('\n');
}

function propertiesOf(schema: z.ZodType): ReadonlyMap<string, JsonSchema> {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input' });
  return new Map(Object.entries(properties) as [string, JsonSchema][]);
}

function describe(schema: JsonSchema): string {
  if (schema.anyOf !== undefined) {
    const parts = schema.anyOf.map(describe).filter((text) => text !== '');
    return [...new Set(parts)].join(' or ');
  }
  const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? []);
  return types
    .map((type) => describeType(type, schema))
    .filter((text) => text !== '')
    .join(' or ');
}

function describeType(type: string, schema: JsonSchema): string {
  switch (type) {
    case 'null':
      return ''; // neutral everywhere, said above the table
    case 'boolean':
      return 'true or false';
    case 'string':
      return 'a string';
    case 'array':
      return `a list of ${describe(schema.items ?? {})}`;
    case 'integer':
      return `a whole number${range(schema)}`;
    case 'number':
      return `a ${schema.multipleOf === 1 ? 'whole ' : ''}number${range(schema)}`;
    default:
      return type;
  }
}

function range({ minimum, exclusiveMinimum, maximum }: JsonSchema): string {
  if (Math.abs(maximum ?? Infinity) >= UNBOUNDED) {
    return minimum === undefined || Math.abs(minimum) >= UNBOUNDED ? '' : ` from ${minimum}`;
  }
  return exclusiveMinimum === undefined
    ? ` from ${minimum} to ${maximum}`
    : ` above ${exclusiveMinimum}, to ${maximum}`;
}

function unsupportedRows(): readonly string[] {
  const all = { ...COMPLETION_UNSUPPORTED, ...CHAT_UNSUPPORTED };
  return Object.entries(all)
    .sort(([a], [b]) => a.localeCompare(b, 'en'))
    .map(([name, { neutral = [], hint = '' }]: [string, Unsupported]) => {
      const isChat = Object.hasOwn(CHAT_UNSUPPORTED, name);
      const isCompletion = Object.hasOwn(COMPLETION_UNSUPPORTED, name);
      const values = neutral.map((value) => `\`${JSON.stringify(value)}\``).join(' ');
      return `| \`${name}\` | ${routeOf(isChat, isCompletion)} | ${values} | ${hint} |`;
    });
}

function routeOf(isChat: boolean, isCompletion: boolean): string {
  if (isChat && isCompletion) return 'both';
  return isChat ? 'chat' : 'completions';
}

function names(list: readonly string[]): string {
  return list.map((name) => `\`${name}\``).join(', ');
}

const HEAD = `# API compatibility

Generated from \`src/api/params/\` by \`npm run generate\`; do not edit.

## Routes

| route | |
|---|---|
| \`POST /v1/chat/completions\` | OpenAI's, streamed and whole |
| \`POST /v1/completions\` | OpenAI's, with \`echo\`, lists of prompts and of token ids |
| \`GET /v1/models\`, \`GET /v1/models/{id}\` | OpenAI's; one model also shows its state, slots, context and defaults |
| \`GET /health\` | the process answers |
| \`GET /ready\` | 200 when a model can answer, else 503 with each model's state and reason |
| \`GET /metrics\` | Prometheus |
| \`GET /openapi.json\` | this API, from the schemas that check it |
| admin port: \`GET /admin/health\`, \`GET /admin/queue\`, \`GET /metrics\` | for operators, under the same guards |

Bodies and streams are checked against OpenAI's own document in every integration test.

## Headers

| header | direction | |
|---|---|---|
| \`X-Priority\` | request | \`high\`, \`normal\`, \`low\`, \`0\`, \`1\`, \`2\`; wins over the body's \`priority\` |
| \`x-request-id\` | both | taken over when it is up to 128 letters, digits, \`.\`, \`_\`, \`-\`; else made |
| \`x-hearth-priority\` | answer | the class the request was in |
| \`x-hearth-seed\` | answer | the seed that was used: send it to get the same answer again |
| \`x-hearth-ignored\` | answer | fields that nobody has heard of |
| \`retry-after\`, \`retry-after-ms\`, \`x-should-retry\` | answer | whether and when the same request can succeed |
| \`openai-processing-ms\`, \`openai-version\` | answer | as OpenAI sends them |

## Parameters

Every parameter is in one of four classes: honoured, accepted without effect, known and refused, or
unheard-of. The last are accepted and named in \`x-hearth-ignored\`; with \`[server] strict = true\` they
are refused. \`null\` counts as absent everywhere.

### Honoured

Where a request says nothing: temperature 1, \`top_p\` 1, a random seed, the rest of the context, and
everything else off, the same on every backend. \`[models.NAME.defaults]\` may change that, and
\`GET /v1/models/NAME\` shows it.
`;
