/**
 * One model on the production scheduler, in simulated time: requests arrive, are granted, read their
 * prompt, generate, end. Nothing is decided here; the scheduler that is driven is the server's own.
 *
 *   arrives ──▶ waits ──granted──▶ reads ──▶ generates ──▶ over
 *                 ▲                  │
 *                 `──── preempted ───´
 *
 * The machine that is modelled: a slot reads `readTokensPerMs` and generates a token in `stepMs`, however
 * many run beside it. That is kinder than a real machine under load and the same for every policy.
 *
 * Units   simulated ms, tokens.
 */
import type { Priority } from '../../src/core/priority.ts';
import type { Drop, Effects, Rejection } from '../../src/orchestrator/scheduling/effects.ts';
import { Scheduler, type SchedulerLimits } from '../../src/orchestrator/scheduling/scheduler.ts';

export interface Arrival {
  readonly atMs: number;
  readonly priority: Priority;
  readonly tenant: string;
  readonly promptTokens: number;
  readonly generatedTokens: number;
}

export interface Machine {
  readonly slots: number;
  readonly spare: number;
  readonly readTokensPerMs: number;
  readonly stepMs: number;
  /** From the cancellation of a request to its slot being free. */
  readonly cancelMs: number;
}

export interface Served extends Arrival {
  readonly key: number;
  readonly end: 'served' | Drop | Rejection;
  /** Undefined where it was never granted. A preempted request is granted again. */
  readonly firstGrantedMs: number | undefined;
  readonly grantedMs: number | undefined;
  readonly firstTokenMs: number | undefined;
  readonly endedMs: number;
}

interface Run {
  readonly key: number;
  readonly arrival: Arrival;
  firstGrantedMs: number | undefined;
  grantedMs: number | undefined;
  firstTokenMs: number | undefined;
  /** Counts grants: an event of an earlier one is void. */
  turn: number;
}

type Happening = { readonly atMs: number; readonly order: number; readonly act: () => void };

const MODEL = 'simulated';
const ONE = { priority: 'normal', tenant: 'one' } as const;

/** `onEnd` is told of every request once, and may name the arrival that follows it (closed loop). */
export function simulate({
  arrivals,
  machine,
  limits,
  asOne = false,
  onEnd = () => undefined,
  onDecision = () => {},
}: {
  readonly arrivals: Iterable<Arrival>;
  readonly machine: Machine;
  readonly limits: SchedulerLimits;
  /** All requests are of one class and one tenant to the scheduler: plain FIFO. */
  readonly asOne?: boolean;
  readonly onEnd?: (served: Served) => Arrival | undefined;
  /** Real ns that one decision of the scheduler took, and how many waited. */
  readonly onDecision?: (ns: number, waiting: number) => void;
}): { readonly endedMs: number; readonly preemptions: number } {
  const runs = new Map<number, Run>();
  const agenda = new Agenda();
  const source = arrivals[Symbol.iterator]();
  let nowMs = 0;
  let keys = 0;
  let preemptions = 0;

  const decide = (event: Parameters<Scheduler['handle']>[0]) => {
    const began = process.hrtime.bigint();
    scheduler.handle(event, nowMs);
    onDecision(Number(process.hrtime.bigint() - began), scheduler.counts(MODEL).waiting);
  };
  const over = (run: Run, end: Served['end']) => {
    const { key, arrival, firstGrantedMs, grantedMs, firstTokenMs } = run;
    runs.delete(key);
    const next = onEnd({
      ...arrival,
      key,
      end,
      firstGrantedMs,
      grantedMs,
      firstTokenMs,
      endedMs: nowMs,
    });
    if (next !== undefined) agenda.add(next.atMs, () => arrive(next));
  };
  const granted = (run: Run) => {
    run.grantedMs = nowMs;
    run.firstGrantedMs ??= nowMs;
    const turn = ++run.turn;
    const { promptTokens, generatedTokens } = run.arrival;
    const ifStill = (act: () => void) => () => {
      if (run.turn === turn) act();
    };
    const readMs = promptTokens / machine.readTokensPerMs;
    const { key } = run;
    agenda.add(
      nowMs,
      ifStill(() => decide({ type: 'accepted', key, promptTokens, cachedTokens: 0 })),
    );
    agenda.add(
      nowMs + readMs,
      ifStill(() => {
        run.firstTokenMs = nowMs;
        decide({ type: 'generated', key, tokens: 1 });
      }),
    );
    agenda.add(
      nowMs + readMs + generatedTokens * machine.stepMs,
      ifStill(() => {
        if (generatedTokens > 1) decide({ type: 'generated', key, tokens: generatedTokens - 1 });
        over(run, 'served');
        decide({ type: 'ended', key });
      }),
    );
  };
  const effects: Effects = {
    rejected: (key, reason) => over(runs.get(key)!, reason),
    queued() {},
    granted: (key) => granted(runs.get(key)!),
    dropped: (key, reason) => over(runs.get(key)!, reason),
    preempted: (key) => {
      preemptions += 1;
      const run = runs.get(key)!;
      run.turn += 1;
      agenda.add(nowMs + machine.cancelMs, () => decide({ type: 'returned', key }));
    },
    interrupted() {},
  };
  const scheduler = new Scheduler([MODEL], limits, effects);
  const { slots, spare } = machine;
  decide({ type: 'ready', model: MODEL, replica: 1, slots, spare });

  function arrive(arrival: Arrival): void {
    const key = keys++;
    runs.set(key, {
      key,
      arrival,
      firstGrantedMs: undefined,
      grantedMs: undefined,
      firstTokenMs: undefined,
      turn: 0,
    });
    const { priority, tenant } = asOne ? ONE : arrival;
    decide({ type: 'submitted', key, model: MODEL, priority, tenant, units: 1 });
  }

  let next = source.next();
  for (;;) {
    const agendaMs = agenda.nextMs ?? Number.POSITIVE_INFINITY;
    const arrivalMs = next.done ? Number.POSITIVE_INFINITY : next.value.atMs;
    const deadlineMs = scheduler.nextDeadlineMs ?? Number.POSITIVE_INFINITY;
    nowMs = Math.min(agendaMs, arrivalMs, deadlineMs);
    if (nowMs === Number.POSITIVE_INFINITY) return { endedMs: agenda.takenMs, preemptions };
    if (nowMs === agendaMs) agenda.take();
    else if (nowMs === arrivalMs && !next.done) {
      arrive(next.value);
      next = source.next();
    } else decide({ type: 'tick' });
  }
}

/** What will happen, earliest first, in the order of adding at the same time: a binary heap. */
class Agenda {
  readonly #heap: Happening[] = [];
  #orders = 0;
  takenMs = 0;

  get nextMs(): number | undefined {
    return this.#heap[0]?.atMs;
  }

  add(atMs: number, act: () => void): void {
    const heap = this.#heap;
    heap.push({ atMs, act, order: this.#orders++ });
    for (let at = heap.length - 1; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!isBefore(heap[at]!, heap[parent]!)) return;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  take(): void {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      for (let at = 0; ; ) {
        const [left, right] = [2 * at + 1, 2 * at + 2];
        let least = at;
        if (left < heap.length && isBefore(heap[left]!, heap[least]!)) least = left;
        if (right < heap.length && isBefore(heap[right]!, heap[least]!)) least = right;
        if (least === at) break;
        [heap[at], heap[least]] = [heap[least]!, heap[at]!];
        at = least;
      }
    }
    this.takenMs = first.atMs;
    first.act();
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
