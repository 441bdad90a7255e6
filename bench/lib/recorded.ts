/**
 * Arrivals as a server's own log recorded them: what the day's traffic would have been like under another
 * policy. Lines that are no finished generation (probes, refusals, other programs' lines) are left out; a
 * refused request has no counts in the log, so a log of an overloaded server tells too little of it.
 *
 * Units   ms from the first arrival, tokens.
 */
import * as z from 'zod';

import { PRIORITIES } from '../../src/core/priority.ts';
import type { Arrival } from './simulate.ts';

const Line = z.object({
  msg: z.literal('request finished'),
  time: z.iso.datetime(),
  ms: z.number(),
  priority: z.enum(PRIORITIES),
  caller: z.string().default('local'),
  promptTokens: z.number(),
  generatedTokens: z.number().positive(),
});

/** In the order of arrival. `speed` 2 has them come twice as fast. */
export function readArrivals(log: string, speed = 1): readonly Arrival[] {
  const lines = log.split('\n').flatMap((text) => {
    const parsed = Line.safeParse(toJson(text));
    return parsed.success ? [parsed.data] : [];
  });
  const arrivals = lines.map(({ time, ms, caller, promptTokens, generatedTokens, priority }) => ({
    atMs: Date.parse(time) - ms,
    priority,
    tenant: caller,
    promptTokens,
    generatedTokens,
  }));
  arrivals.sort((a, b) => a.atMs - b.atMs);
  const firstMs = arrivals[0]?.atMs ?? 0;
  return arrivals.map((one) => ({ ...one, atMs: (one.atMs - firstMs) / speed }));
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
