/** A puller over nothing: the test tells what it tells, and how it ends. */
import type { PullDone, PullEvent, Puller, PullRequest } from '../../src/core/puller.ts';

export const PULL_DONE: PullDone = {
  event: 'done',
  name: 'm',
  path: '/models/m/m.gguf',
  reference: 'acme/m',
  revision: 'abc',
  format: 'gguf',
  quant: 'Q8_0',
  bytes: 10,
  change: 'new',
};

export class ScriptedPuller implements Puller {
  readonly asked: PullRequest[] = [];
  /** Of the last pull. */
  signal: AbortSignal | undefined;
  /** Before it ends. */
  events: readonly PullEvent[] = [];
  /** `never`: until it is aborted. */
  outcome: PullDone | Error | 'never' = PULL_DONE;

  pull(
    request: PullRequest,
    { signal, onEvent }: { signal: AbortSignal; onEvent: (event: PullEvent) => void },
  ): Promise<PullDone> {
    this.asked.push(request);
    this.signal = signal;
    for (const event of this.events) onEvent(event);
    const { outcome } = this;
    if (outcome === 'never') {
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    }
    return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome);
  }
}
