/**
 * Chat messages: their schema, what in them cannot be honoured, and the engine's form of them.
 *
 * Errors  RequestError `unsupported_parameter` for media, `missing_required_parameter` for a turn
 *         without content, both naming the place (`messages[2].content[0]`).
 */
import * as z from 'zod';

import type { Message, Part } from '../../core/engine.ts';
import { RequestError } from '../../core/errors.ts';
import { unsupportedParameter } from './sort.ts';

const textPart = z.looseObject({ type: z.literal('text'), text: z.string() });
/** What an earlier answer refused, sent back as history. */
const refusalPart = z.looseObject({ type: z.literal('refusal'), refusal: z.string() });

const content = z.union([z.string(), z.array(textPart).min(1)]);
const name = z.string().nullish();

const toolCall = z.looseObject({
  id: z.string(),
  type: z.literal('function'),
  function: z.looseObject({ name: z.string(), arguments: z.string() }),
});

const assistant = z.looseObject({
  role: z.literal('assistant'),
  content: z
    .union([z.string(), z.array(z.discriminatedUnion('type', [textPart, refusalPart])).min(1)])
    .nullish(),
  refusal: z.string().nullish(),
  name,
  tool_calls: z.array(toolCall).nullish(),
});

export const messagesField = z
  .array(
    z.discriminatedUnion('role', [
      z.looseObject({ role: z.literal('system'), content, name }),
      z.looseObject({ role: z.literal('developer'), content, name }),
      z.looseObject({ role: z.literal('user'), content, name }),
      assistant,
      z.looseObject({ role: z.literal('tool'), content, name, tool_call_id: z.string() }),
    ]),
  )
  .min(1);

type RawMessages = z.output<typeof messagesField>;
type RawMessage = RawMessages[number];

const KNOWN_FIELDS: Readonly<Record<RawMessage['role'], ReadonlySet<string>>> = {
  system: fields(),
  developer: fields(),
  user: fields(),
  assistant: fields('refusal', 'tool_calls', 'annotations'),
  tool: fields('tool_call_id'),
};
/** Accepted when null, as every answer of OpenAI carries them. */
const UNSUPPORTED_FIELDS = ['function_call', 'audio'] as const;
const KNOWN_PART_FIELDS = new Set(['type', 'text', 'refusal', 'cache_control']);
const MEDIA = new Set(['image_url', 'input_image', 'image', 'input_audio', 'video_url', 'file']);

function fields(...more: readonly string[]): ReadonlySet<string> {
  return new Set(['role', 'content', 'name', ...more]);
}

/** Runs before the schema: that a picture is unsupported says more than that a part is not text. */
export function refuseMedia(messages: unknown): void {
  if (!Array.isArray(messages)) return;
  for (const [i, message] of messages.entries()) {
    const parts: unknown = isObject(message) ? message.content : undefined;
    if (!Array.isArray(parts)) continue;
    for (const [j, part] of parts.entries()) {
      if (isObject(part) && typeof part.type === 'string' && MEDIA.has(part.type)) {
        throw unsupportedParameter(`messages[${i}].content[${j}]`, 'no model here reads media');
      }
    }
  }
}

/** Also collects the names of fields that have no effect. */
export function toMessages(raw: RawMessages, ignored: string[]): readonly Message[] {
  return raw.map((message, index) => {
    const at = `messages[${index}]`;
    noteUnknown(message, at, ignored);
    return toMessage(message, at, ignored);
  });
}

function toMessage(message: RawMessage, at: string, ignored: string[]): Message {
  const parts = toParts(message, at, ignored);
  const base = {
    role: message.role,
    parts,
    ...(typeof message.name === 'string' ? { name: message.name } : {}),
  };
  if (message.role === 'tool') return { ...base, toolCallId: message.tool_call_id };
  if (message.role !== 'assistant') return base;
  const calls = message.tool_calls ?? [];
  if (parts.length === 0 && calls.length === 0) {
    throw new RequestError(
      'missing_required_parameter',
      `Missing required parameter \`${at}.content\`; an assistant turn without tool_calls needs it`,
      { param: `${at}.content` },
    );
  }
  if (calls.length === 0) return base;
  const toolCalls = calls.map(({ id, function: called }) => ({
    id,
    name: called.name,
    arguments: called.arguments,
  }));
  return { ...base, toolCalls };
}

function toParts(message: RawMessage, at: string, ignored: string[]): readonly Part[] {
  const { content: raw } = message;
  if (typeof raw === 'string') return [{ type: 'text', text: raw }];
  if (raw === null || raw === undefined) {
    const refusal = message.role === 'assistant' ? message.refusal : undefined;
    return typeof refusal === 'string' ? [{ type: 'text', text: refusal }] : [];
  }
  return raw.map((part, index) => {
    for (const field of Object.keys(part)) {
      if (!KNOWN_PART_FIELDS.has(field)) ignored.push(`${at}.content[${index}].${field}`);
    }
    return { type: 'text', text: part.type === 'text' ? part.text : part.refusal };
  });
}

function noteUnknown(message: RawMessage, at: string, ignored: string[]): void {
  for (const field of Object.keys(message)) {
    if (KNOWN_FIELDS[message.role].has(field)) continue;
    const value = message[field];
    if (value === null || value === undefined) continue;
    if (UNSUPPORTED_FIELDS.some((each) => each === field)) {
      throw unsupportedParameter(`${at}.${field}`, 'it is not built yet');
    }
    ignored.push(`${at}.${field}`);
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
