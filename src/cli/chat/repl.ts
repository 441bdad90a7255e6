/**
 * The conversation on a terminal.
 *
 *   prompt ──line──▶ answering ──end, or Ctrl-C──▶ prompt
 *   prompt ──Ctrl-C, Ctrl-C · Ctrl-D · /exit──▶ left
 */
import { createInterface } from 'node:readline/promises';

import type { Conversation, Turn } from './conversation.ts';
import { figures } from './terminal.ts';

interface ReplOptions {
  readonly conversation: Conversation;
  readonly model: string;
  /** Aborted from outside: leave. */
  readonly stop: AbortSignal;
}

const HELP = `/reset  forget what was said
/help   this list
/exit   leave (also Ctrl-D)
Ctrl-C  cancel the answer; twice at the prompt: leave`;

export async function runRepl({ conversation, model, stop }: ReplOptions): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const left = new AbortController();
  const leave = () => left.abort();
  let answer: AbortController | undefined;
  let isLastChance = false;
  // In raw mode Ctrl-C is a key, which readline reports; no signal comes.
  terminal.on('SIGINT', () => {
    if (answer) return answer.abort();
    if (isLastChance) return leave();
    isLastChance = true;
    say('(Ctrl-C again leaves, /help helps)');
    terminal.prompt(true);
  });
  terminal.once('close', leave);
  stop.addEventListener('abort', leave, { once: true });
  say(`Talking to ${model}. /help helps, Ctrl-D leaves.`);
  try {
    while (!left.signal.aborted) {
      const line = (await terminal.question('> ', { signal: left.signal })).trim();
      isLastChance = false;
      if (line === '') continue;
      if (line === '/exit') return;
      if (line === '/help') say(HELP);
      else if (line === '/reset') {
        conversation.reset();
        say('forgotten');
      } else if (/^\/\w+$/.test(line)) say(`no command ${line}; /help lists them`);
      else {
        answer = new AbortController();
        await sayTurn(conversation, line, AbortSignal.any([answer.signal, left.signal]));
        answer = undefined;
      }
    }
  } catch (error) {
    // The prompt was left while it waited for a line.
    if (!left.signal.aborted) throw error;
  } finally {
    stop.removeEventListener('abort', leave);
    terminal.off('close', leave);
    terminal.close();
    process.stdout.write('\n');
  }
}

/** A turn that fails is said, and the conversation goes on. */
async function sayTurn(
  conversation: Conversation,
  line: string,
  signal: AbortSignal,
): Promise<void> {
  let turn: Turn;
  try {
    turn = await conversation.say(line, signal);
  } catch (error) {
    say(`\n${error instanceof Error ? error.message : String(error)}`);
    return;
  }
  process.stdout.write('\n');
  say(figures(turn));
}

/** Dim, on stderr: what is not the answer. */
function say(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\u001b[2m${text}\u001b[0m\n` : `${text}\n`);
}
