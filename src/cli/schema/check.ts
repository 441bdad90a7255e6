/**
 * `hearth schema check`: lines with a schema and instances in, lines with what is made of them out, in the same
 * order. Each is looked at in a child that may be killed, by the grammar that would be served.
 *
 * Exits  0 whatever the results are, also when the reader of the output goes away · 1 for a file that cannot be
 *        read.
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';

import type { Examined } from '../../ipc/compiler-protocol.ts';
import type { CompilerChildren } from '../../orchestrator/compiler/compiler-children.ts';
import { type CliContext, CliError } from '../context.ts';
import { examineLimits, howItEnded, openChildren } from './children.ts';
import { inOrder } from './in-order.ts';
import { type Line, linesOf } from './lines.ts';
import type { SchemaLimits } from './options.ts';

/** What does not fit into a frame with room to spare is read by nobody. */
export const LINE_MAX_BYTES = 12 * 1024 * 1024;
/** Of what is read ahead, together. */
const AHEAD_BYTES = 64 * 1024 * 1024;
/** For each child: the others go on while the first in order takes its time. */
const AHEAD_LINES = 16;

const Named = z.object({ id: z.union([z.string(), z.number()]) });

export async function checkSchemas(
  file: string,
  limits: SchemaLimits,
  context: CliContext,
): Promise<number> {
  const input = await openInput(file);
  const width = availableParallelism();
  await using children = openChildren(limits, width, context);
  const answers = inOrder(
    linesOf(input, LINE_MAX_BYTES),
    (line) => examineIn(children, line, limits),
    {
      maxItems: AHEAD_LINES * width,
      maxWeight: AHEAD_BYTES,
      weightOf: ({ bytes }) => bytes?.length ?? 0,
    },
  );
  try {
    await pipeline(answers, toText, process.stdout, { end: false });
  } catch (error) {
    if (!isReaderGone(error)) throw toCliError(error, file);
  }
  return 0;
}

async function* toText(answers: AsyncIterable<Examined>): AsyncGenerator<string> {
  for await (const { id, result, ...rest } of answers) {
    yield `${JSON.stringify({ id, result, ...rest, ms: Math.round(rest.ms) })}\n`;
  }
}

async function examineIn(
  children: CompilerChildren,
  { number, size, bytes }: Line,
  limits: SchemaLimits,
): Promise<Examined> {
  if (bytes === undefined) {
    const why = `line ${number}: it has ${size} bytes, of at most ${LINE_MAX_BYTES}`;
    return { id: null, result: 'refused', why, ms: 0 };
  }
  const startedMs = performance.now();
  const end = await children.run({ type: 'examine', limits: examineLimits(limits) }, bytes);
  if (end.type === 'examined') {
    const { call: _call, type: _type, ...examined } = end;
    if (examined.result !== 'refused' || examined.keyword !== undefined) return examined;
    return { ...examined, why: `line ${number}: ${examined.why}` };
  }
  const id = idOf(bytes);
  if (end.type === 'late') {
    const why = `it took more than ${limits.timeoutMs} ms`;
    return { id, result: 'timeout', why, ms: limits.timeoutMs };
  }
  return { id, result: 'crash', why: howItEnded(end), ms: performance.now() - startedMs };
}

/** Read here only where the child that has read it is gone. */
function idOf(bytes: Uint8Array): string | number | null {
  try {
    const named = Named.safeParse(JSON.parse(Buffer.from(bytes).toString()));
    return named.success ? named.data.id : null;
  } catch {
    return null; // It died before it could say so.
  }
}

async function openInput(file: string): Promise<AsyncIterable<Buffer>> {
  if (file === '-') return process.stdin;
  try {
    const handle = await open(file);
    return createReadStream(file, { fd: handle });
  } catch (error) {
    throw toCliError(error, file);
  }
}

function isReaderGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}

function toCliError(error: unknown, file: string): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  const why = error.code === 'ENOENT' ? 'there is no such file' : error.message;
  return new CliError(`cannot read ${file === '-' ? 'stdin' : file}: ${why}`, { cause: error });
}
