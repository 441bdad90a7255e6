/** Schemas through `hearth schema check`: one process, lines in and lines out. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';

import { EXAMINE_RESULTS } from '../../src/ipc/compiler-protocol.ts';
import { ROOT } from './report.ts';

export interface Asked {
  readonly id: string;
  /** Reads it when its turn comes. */
  readonly read: () => { readonly schema: unknown; readonly tests: readonly unknown[] };
}

const Answer = z.object({
  id: z.union([z.string(), z.number(), z.null()]),
  result: z.enum(EXAMINE_RESULTS),
  reordered: z.boolean().optional(),
  keyword: z.string().optional(),
  pointer: z.string().optional(),
  why: z.string().optional(),
  ms: z.number(),
});
export type Answer = z.output<typeof Answer>;

/** In the order of what is asked. */
export async function checkSchemas(
  asked: readonly Asked[],
  signal: AbortSignal,
): Promise<readonly Answer[]> {
  const command = spawn(process.execPath, [join(ROOT, 'bin/hearth.js'), 'schema', 'check'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    signal,
  });
  const { promise: ended, resolve, reject } = Promise.withResolvers<number | null>();
  command.once('error', reject).once('close', resolve);
  const answers: Answer[] = [];
  const reading = (async () => {
    for await (const line of createInterface({ input: command.stdout })) {
      answers.push(Answer.parse(JSON.parse(line)));
    }
  })();
  await Promise.all([pipeline(Readable.from(linesOf(asked)), command.stdin), reading, ended]);
  const wrong = answers.findIndex(({ id }, index) => id !== asked[index]?.id);
  if ((await ended) !== 0 || answers.length !== asked.length || wrong >= 0) {
    const which = asked[wrong < 0 ? answers.length : wrong]?.id;
    throw new Error(`hearth schema check: ${answers.length} of ${asked.length}, not ${which}`);
  }
  return answers;
}

function* linesOf(asked: readonly Asked[]): Generator<string> {
  for (const { id, read } of asked) {
    const { schema, tests } = read();
    yield `${JSON.stringify({ id, schema, tests })}\n`;
  }
}
