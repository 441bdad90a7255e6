/**
 * From what a frame held to a message of the protocol, or a ProtocolError.
 *
 * Errors name the field and the rule, never the value: values are prompts and answers.
 * The schemas are fast enough for every token: a `step` of eight sequences takes about 1 µs.
 */
import type * as z from 'zod';

import { ProtocolError } from './codec.ts';
import {
  FromWorker,
  type FromWorkerMessage,
  ToWorker,
  type ToWorkerMessage,
  Transfer,
  type TransferMessage,
} from './protocol.ts';

export function parseToWorker(value: unknown): ToWorkerMessage {
  return parse(ToWorker, value);
}

export function parseFromWorker(value: unknown): FromWorkerMessage {
  return parse(FromWorker, value);
}

export function parseTransfer(value: unknown): TransferMessage {
  return parse(Transfer, value);
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue?.path.join('.') || 'message';
  throw new ProtocolError('message', `${typeOf(value)}: ${where}: ${issue?.message ?? 'invalid'}`);
}

/** The type is a word of ours or noise; noise is shown, but not much of it. */
function typeOf(value: unknown): string {
  const type = (value as { type?: unknown } | null | undefined)?.type;
  return typeof type === 'string' ? JSON.stringify(type.slice(0, 32)) : 'A message without a type';
}
