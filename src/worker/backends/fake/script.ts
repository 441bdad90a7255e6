/**
 * What a fake model does: the JSON file that `load` names. `{}` is a model that echoes the last
 * user text as fast as it can. The file is read anew by every load, so that a test can mend a model.
 *
 * Errors  LoadError naming the file and the field, as for a broken model file.
 */
import { readFileSync } from 'node:fs';
import * as z from 'zod';

import { LoadError } from '../../backend.ts';

const ms = z.number().nonnegative();
const count = z.int().nonnegative();

const Script = z.strictObject({
  /** 0: as fast as possible. */
  tokensPerSecond: z.number().nonnegative().default(0),
  /** Time to read a prompt; its cached part costs nothing. 0: none. */
  prefillTokensPerSecond: z.number().nonnegative().default(0),
  /** `triples`: words in pieces of up to 3 bytes. `bytes`: one token is one byte. */
  vocabulary: z.enum(['triples', 'bytes']).default('triples'),
  reply: z
    .discriminatedUnion('kind', [
      /** The last user text, or the whole prompt of a completion. */
      z.strictObject({ kind: z.literal('echo') }),
      /** Always this, whatever the seed. */
      z.strictObject({ kind: z.literal('text'), text: z.string() }),
      /** "1 2 3 …" */
      z.strictObject({ kind: z.literal('count'), to: z.int().positive().default(100) }),
    ])
    .default({ kind: 'echo' }),
  /** False: a model without a chat template, which refuses messages. */
  chat: z.boolean().default(true),

  loadMs: ms.default(0),
  /** What it says it would take, and takes on a GPU that there is not. */
  memoryBytes: count.default(0),
  /** The load fails with this reason. */
  failLoad: z.string().optional(),
  /** The process aborts while loading, as native code does on a bad file. */
  abortOnLoad: z.boolean().default(false),
  /** The process dies (SIGKILL) once a call has produced so many tokens. */
  dieAfterTokens: count.optional(),
  /** The loop hangs once a call has produced so many tokens; heartbeats go on. */
  hangAfterTokens: count.optional(),
});

export type FakeScript = z.output<typeof Script>;

export function readScript(path: string): FakeScript {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new LoadError(`The script ${path} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new LoadError(`The script ${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
  const result = Script.safeParse(value);
  if (result.success) return result.data;
  throw new LoadError(`The script ${path} is wrong:\n${z.prettifyError(result.error)}`);
}
