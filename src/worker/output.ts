/**
 * When tokens leave the worker.
 *
 * The first token of a call leaves at once, because somebody waits for it. Later ones are gathered
 * into one `step` frame for all calls: every write wakes the orchestrator, which costs the decode
 * threads of a small machine up to half their speed. What is gathered leaves with any first token
 * and before the end of its call is told, so order per call is kept.
 *
 * Bounds  a call gathers no more than its credit, for GATHER_MS at most.
 * Source  measured: 10 and 15 ms gave the speed of no output at all; 15 ms is less than a reader can
 *         see and wakes the orchestrator a third less often.
 */
import type { FromWorkerMessage } from '../ipc/protocol.ts';
import type { SequenceTokens } from './backend.ts';

/** Within 5 to 15 ms: shorter slows decoding down, longer shows as bursts. */
export const GATHER_MS = 15;

type StepMessage = Extract<FromWorkerMessage, { type: 'step' }>;
type Sequence = StepMessage['sequences'][number];

export class Output {
  readonly #send: (step: StepMessage) => void;
  /** Calls whose first token has left. */
  readonly #started = new Set<number>();
  readonly #gathered = new Map<number, Sequence>();
  #timer: NodeJS.Timeout | undefined;

  constructor(send: (step: StepMessage) => void) {
    this.#send = send;
  }

  tokens(sequences: readonly SequenceTokens[]): void {
    let isFirst = false;
    for (const { call, ids, text } of sequences) {
      if (ids.length === 0 && text === '') continue;
      const gathered = this.#gathered.get(call);
      if (gathered) {
        gathered.ids.push(...ids);
        gathered.text += text;
      } else {
        this.#gathered.set(call, { call, ids: [...ids], text });
      }
      if (!this.#started.has(call)) {
        this.#started.add(call);
        isFirst = true;
      }
    }
    if (isFirst) this.flush();
    else if (this.#gathered.size > 0) {
      // Not a reason to keep the process: whoever ends it flushes first.
      this.#timer ??= setTimeout(() => this.flush(), GATHER_MS).unref();
    }
  }

  /** To be called before the end of the call is told. */
  end(call: number): void {
    if (this.#gathered.has(call)) this.flush();
    this.#started.delete(call);
  }

  /** Sends what is gathered, for all calls: one more in the frame costs nothing. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#gathered.size === 0) return;
    const sequences = [...this.#gathered.values()];
    this.#gathered.clear();
    this.#send({ type: 'step', sequences });
  }
}
