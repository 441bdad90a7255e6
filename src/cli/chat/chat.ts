/**
 * `hearth chat`: talks to the running server, or starts one for as long as the chat lasts.
 *
 * On a terminal it is a conversation: Ctrl-C cancels an answer, twice at the prompt it leaves.
 * From a pipe, all of stdin is one message and stdout gets the answer alone.
 *
 * Exits  0 · 1 the answer failed · 130 cancelled while not on a terminal.
 */
import { text as readAll } from 'node:stream/consumers';

import { systemClock } from '../../core/clock.ts';
import { keyHeaders } from '../api-key.ts';
import { type CliContext, CliError } from '../context.ts';
import { ChatError } from './client.ts';
import { Conversation } from './conversation.ts';
import { runRepl } from './repl.ts';
import { type ChatServer, openServer, type ServerFlags } from './server.ts';
import { safeForTerminal } from './terminal.ts';

export interface ChatFlags extends ServerFlags {
  readonly system?: string;
}

const EXIT_INTERRUPTED = 130;

export async function chat(
  model: string | undefined,
  flags: ChatFlags,
  context: CliContext,
): Promise<number> {
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal).on('SIGHUP', onSignal);
  let server: ChatServer | undefined;
  try {
    server = await openServer(flags, { context, signal: stop.signal });
    const name = chooseModel(model, server.models);
    const conversation = new Conversation({
      baseUrl: server.baseUrl,
      model: name,
      system: flags.system,
      headers: keyHeaders(context.environment),
      clock: systemClock,
      write: print,
    });
    if (process.stdin.isTTY) {
      await runRepl({ conversation, model: name, stop: stop.signal });
      return 0;
    }
    const question = (await readAll(process.stdin)).trim();
    if (question === '')
      throw new CliError('nothing on stdin. Pipe a question, or use a terminal.');
    const { outcome } = await conversation.say(question, stop.signal);
    await print('\n');
    return outcome === 'answered' ? 0 : EXIT_INTERRUPTED;
  } catch (error) {
    if (stop.signal.aborted) return EXIT_INTERRUPTED;
    if (error instanceof ChatError) throw new CliError(error.message, { cause: error });
    throw error;
  } finally {
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal).off('SIGHUP', onSignal);
    await server?.close();
  }
}

function chooseModel(wanted: string | undefined, known: readonly string[]): string {
  const name = wanted ?? known[0];
  if (name !== undefined && known.includes(name)) return name;
  const names = known.length === 0 ? 'none' : known.join(', ');
  throw new CliError(`the server has no model ${wanted ?? ''}. It has: ${names}.`);
}

/** Resolves when the piece is on its way, so that a reader who is slow slows the answer. */
function print(text: string): Promise<void> {
  const shown = process.stdout.isTTY ? safeForTerminal(text) : text;
  return new Promise((resolve, reject) => {
    process.stdout.write(shown, (error) => (error ? reject(error) : resolve()));
  });
}
