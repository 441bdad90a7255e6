/**
 * Closed-loop load: so many streams at once, each sends its next request when its last one ended.
 *
 * Units   ms. `wallMs` runs from the first request to the last byte of the last answer.
 * Errors  none: what failed stands in the outcomes.
 */
import { Agent } from 'node:http';

import { type Route, type StreamOutcome, streamRequest } from './stream-request.ts';

export interface LoadPlan {
  readonly baseUrl: string;
  readonly route: Route;
  readonly streams: number;
  readonly requestsPerStream: number;
  /** Body of the n-th request, counted over all streams from 0. */
  readonly body: (index: number) => Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Called as each request ends. */
  readonly onOutcome?: ((outcome: StreamOutcome) => void) | undefined;
}

export interface LoadResult {
  readonly outcomes: readonly StreamOutcome[];
  readonly wallMs: number;
}

export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: plan.streams });
  const bodies = Array.from({ length: plan.streams * plan.requestsPerStream }, (_, i) =>
    plan.body(i),
  );
  const outcomes: StreamOutcome[] = [];
  let next = 0;
  try {
    const startedMs = performance.now();
    await Promise.all(
      Array.from({ length: plan.streams }, async () => {
        for (let count = 0; count < plan.requestsPerStream; count++) {
          if (plan.signal?.aborted) return;
          const { baseUrl, route, headers, timeoutMs, signal } = plan;
          const call = { baseUrl, route, body: bodies[next++]!, headers, agent, timeoutMs, signal };
          const outcome = await streamRequest(call);
          outcomes.push(outcome);
          plan.onOutcome?.(outcome);
        }
      }),
    );
    return { outcomes, wallMs: performance.now() - startedMs };
  } finally {
    agent.destroy();
  }
}
