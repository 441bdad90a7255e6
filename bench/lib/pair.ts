/**
 * Hearth and llama-server side by side on one model: both are up, one works, the other sleeps.
 * Rounds alternate in which goes first, so that a slow minute of the machine meets both.
 */
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';

import { makeRandom, type Random, randomIds, randomWords } from '../../src/cli/bench/prompts.ts';
import type { StreamOutcome } from '../../src/cli/bench/stream-request.ts';
import { BENCH_MODELS, type BenchModel, modelFile } from './models.ts';
import { type Quiet, runQuiet } from './quiet.ts';
import { type Server, startHearth, startPeer } from './servers.ts';

export type BenchPrompt = string | readonly number[];

export interface Pair extends AsyncDisposable {
  readonly hearth: Server;
  readonly peer: Server;
}

const SLOTS = 8;
const CONTEXT_TOKENS = 2048;
const REQUEST_LIMIT_MS = 240_000;

export async function startPair(model: BenchModel, signal: AbortSignal): Promise<Pair> {
  const threads = availableParallelism();
  const options = {
    model: await modelFile(model),
    slots: SLOTS,
    contextTokens: CONTEXT_TOKENS,
    threads,
    signal,
  };
  await using stack = new AsyncDisposableStack();
  const peer = stack.use(await startPeer(options));
  const hearth = stack.use(await startHearth(options));
  const owned = stack.move();
  return { hearth, peer, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A run of the peer that fails is repeated: it ends a stream whose text is broken UTF-8. */
const PEER_ATTEMPTS = 12;

/** One quiet run on each, in turns. */
export async function inTurns<T>(
  pair: Pair,
  round: number,
  run: (server: Server) => Promise<T>,
): Promise<{ hearth: Quiet<T>; peer: Quiet<T> }> {
  const roots = [pair.hearth.pid, pair.peer.pid];
  const measure = async (server: Server) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await runQuiet(roots, () => run(server));
      } catch (error) {
        if (server !== pair.peer || attempt === PEER_ATTEMPTS) throw error;
        console.error(`${server.name}: run repeated: ${String(error).split('\n')[0]}`);
      }
    }
  };
  if (round % 2 === 0) {
    const hearth = await measure(pair.hearth);
    return { hearth, peer: await measure(pair.peer) };
  }
  const peer = await measure(pair.peer);
  return { hearth: await measure(pair.hearth), peer };
}

/** What both are asked for, to the letter: the same sampler, and no end before the limit. */
export function completionBody(prompt: BenchPrompt, maxTokens: number, random: Random) {
  return {
    model: 'bench',
    prompt,
    max_tokens: maxTokens,
    temperature: 0.8,
    top_k: 40,
    top_p: 0.95,
    min_p: 0.05,
    seed: Math.floor(random() * 2 ** 32),
    ignore_eos: true,
  };
}

/** New in every run: what an earlier run left in a cache is never asked for again. */
export function freshRandom(): Random {
  return makeRandom(randomInt(2 ** 32));
}

/**
 * Random ids where any id will do. A real model gets words, because on noise it answers with
 * broken UTF-8, over which llama-server fails; each of them is one token of its vocabulary.
 */
export function freshPrompt(model: BenchModel, tokens: number, random: Random): BenchPrompt {
  const { vocabulary } = BENCH_MODELS[model];
  return vocabulary === undefined
    ? randomWords(tokens, random)
    : randomIds(tokens, vocabulary, random);
}

export function joinPrompts(first: BenchPrompt, second: BenchPrompt): BenchPrompt {
  if (typeof first === 'string' || typeof second === 'string') return `${first} ${second}`;
  return [...first, ...second];
}

/** A failed request makes every figure of its run wrong. */
export function assertAnswered(server: Server, outcomes: readonly StreamOutcome[]): void {
  const failed = outcomes.find(({ error }) => error !== undefined);
  if (failed === undefined) return;
  const tail = server.output.slice(-5).map(({ text }) => text.slice(-2000));
  throw new Error(`${server.name}: a request failed: ${failed.error}. It wrote:\n${tail.join('')}`);
}

export { REQUEST_LIMIT_MS };
