/**
 * A stream is generating when somebody else's long prompt arrives: what the stream feels, and what the newcomer pays
 * for not being read in one go.
 *
 * Units   ms, tokens.
 */
import { Agent } from 'node:http';

import { type StreamOutcome, streamRequest } from '../../src/cli/bench/stream-request.ts';
import type { BenchModel } from './models.ts';
import {
  assertAnswered,
  completionBody,
  freshPrompt,
  freshRandom,
  REQUEST_LIMIT_MS,
} from './pair.ts';
import type { Server } from './servers.ts';

const RUNNING_PROMPT_TOKENS = 64;
const RUNNING_TOKENS = 1500;
const TOKENS_BEFORE = 16;
const GENERATED_TOKENS = 4;

export interface Stall {
  /** The longest of the running stream. */
  readonly gapMs: number;
  /** To the newcomer's first token. */
  readonly aloneMs: number;
  readonly besideMs: number;
}

export async function measureStall(
  server: Server,
  model: BenchModel,
  foreignPromptTokens: number,
): Promise<Stall> {
  const random = freshRandom();
  const agent = new Agent({ keepAlive: true });
  const call = {
    baseUrl: server.baseUrl,
    route: 'completions',
    agent,
    timeoutMs: REQUEST_LIMIT_MS,
  } as const;
  const newcomer = async () => {
    const prompt = freshPrompt(model, foreignPromptTokens, random);
    const outcome = await streamRequest({
      ...call,
      body: completionBody(prompt, GENERATED_TOKENS, random),
    });
    assertAnswered(server, [outcome]);
    return outcome;
  };
  try {
    const alone = await newcomer();

    const leave = new AbortController();
    const runs = Promise.withResolvers<void>();
    const times: number[] = [];
    const prompt = freshPrompt(model, RUNNING_PROMPT_TOKENS, random);
    const running = streamRequest({
      ...call,
      body: completionBody(prompt, RUNNING_TOKENS, random),
      signal: leave.signal,
      onChunk: (atMs) => {
        if (times.push(atMs) === TOKENS_BEFORE) runs.resolve();
      },
    });
    const early = await Promise.race([runs.promise, running]);
    if (early !== undefined)
      throw new Error(`${server.name}: the running stream ended: ${early.error}`);
    const beside = await newcomer();
    leave.abort();
    await running;
    return { gapMs: longestGap(times, beside), aloneMs: ttft(alone), besideMs: ttft(beside) };
  } finally {
    agent.destroy();
  }
}

/** The longest gap that touches the newcomer's time, its end included when no token came after. */
function longestGap(times: readonly number[], { startedMs, endedMs }: StreamOutcome): number {
  const before = times.findLast((time) => time <= startedMs) ?? startedMs;
  const during = times.filter((time) => time > startedMs && time <= endedMs);
  const points = [before, ...during, endedMs];
  return Math.max(...points.slice(1).map((time, index) => time - points[index]!));
}

function ttft(outcome: StreamOutcome): number {
  return outcome.chunkTimesMs[0]! - outcome.startedMs;
}
