/**
 * The worker's side of the conversation from `hello` on (which `main.ts` says): speaks the protocol,
 * drives one backend.
 *
 *   greeting ──welcome──▶ idle ──load──▶ loading ──▶ ready ──drain──▶ draining
 *                         │  ▲              \                            │ last call ended:
 *                estimate ▼  │               `──▶ failed                 ▼ `drained` is said
 *                       estimating ────────────────▲
 *   from every state:  shutdown, or SIGTERM once drained ──▶ stopping ──backend closed──▶ exit 0
 *                      the channel ends, or is silent    ──▶ orphaned, also while stopping
 *                      a message that does not belong    ──▶ exit EXIT_PROTOCOL
 *
 * Errors  a backend that reports on a call which is not running breaks its contract: that is logged
 *         as an error and not sent on, because the orchestrator may not hear of a call twice.
 * Source  `ipc/protocol.ts` for the conversation.
 */
import type { Clock } from '../core/clock.ts';
import type { WireError } from '../core/errors.ts';
import { Beat } from '../ipc/beat.ts';
import { ProtocolError } from '../ipc/codec.ts';
import type { HeartbeatSettings } from '../ipc/heartbeat.ts';
import type {
  EstimateMessage,
  FromWorkerMessage,
  GenerateMessage,
  LoadMessage,
  ToWorkerMessage,
} from '../ipc/protocol.ts';
import {
  type Backend,
  type BackendFactory,
  type CallEnd,
  LoadError,
  type LogFields,
  type SequenceTokens,
  type Sink,
} from './backend.ts';
import { Output } from './output.ts';
import { ParentSilence } from './parent-silence.ts';

/** EX_PROTOCOL of sysexits.h: the other side did not keep to the protocol. */
export const EXIT_PROTOCOL = 76;

export interface SessionDeps {
  readonly clock: Clock;
  /** Resolves when the backend is imported. */
  readonly importBackend: () => Promise<BackendFactory>;
  readonly rssBytes: () => number;
  readonly send: (message: FromWorkerMessage) => void;
  /** Sends what was said, then ends the process. */
  readonly exit: (code: number) => void;
  /** The orchestrator is gone: ends the process group at once, native calls or not. */
  readonly orphan: () => void;
}

type State =
  | 'greeting'
  | 'idle'
  | 'estimating'
  | 'loading'
  | 'ready'
  | 'failed'
  | 'draining'
  | 'stopping'
  | 'stopped';

export class Session {
  readonly #deps: SessionDeps;
  readonly #output: Output;
  readonly #calls = new Set<number>();
  #state: State = 'greeting';
  #backend: Backend | undefined;
  #beat: Beat | undefined;
  #parent: ParentSilence | undefined;
  #exitsWhenDrained = false;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    this.#output = new Output(deps.send);
  }

  onMessage(message: ToWorkerMessage): void {
    if (this.#isStopping) return;
    this.#parent?.heard(this.#deps.clock.nowMs());
    switch (message.type) {
      case 'welcome':
        this.#welcome(message.heartbeat);
        break;
      case 'tick':
        break; // To be heard was all.
      case 'estimate':
        if (this.#state === 'idle') void this.#estimate(message);
        else this.#refuse(message);
        break;
      case 'load':
        if (this.#state === 'idle') void this.#load(message);
        else this.#refuse(message);
        break;
      case 'generate':
        this.#generate(message);
        break;
      // Both may cross the end of their call on the way; the backend ignores unknown calls.
      case 'credit':
        this.#backend?.credit(message.call, message.tokens);
        break;
      case 'cancel':
        this.#backend?.cancel(message.call);
        break;
      case 'threads':
        if (this.#state === 'ready' || this.#state === 'draining') {
          this.#backend!.setThreads(message.threads);
        } else this.#refuse(message);
        break;
      case 'drain':
        this.#drain();
        break;
      case 'shutdown':
        void this.stop();
        break;
    }
  }

  onClose(error: Error | undefined): void {
    if (this.#state === 'stopped') return;
    this.#end();
    const isForeign = error instanceof ProtocolError && error.fault !== 'truncated';
    if (isForeign) this.#deps.exit(EXIT_PROTOCOL);
    else this.#deps.orphan();
  }

  /** SIGTERM: finishes what runs, then exits, whether or not anybody asks for it. */
  onTerminate(): void {
    this.#exitsWhenDrained = true;
    this.#drain();
  }

  /** Ends every call as cancelled, frees the model, exits with 0. Idempotent. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#state = 'stopping';
    // The ends of the calls are still told while the backend closes.
    await this.#backend?.close();
    if (this.#isOrphan) return;
    this.#output.flush();
    this.#end();
    this.#deps.exit(0);
  }

  #welcome(heartbeat: HeartbeatSettings): void {
    if (this.#state !== 'greeting') {
      this.#refuse({ type: 'welcome' });
      return;
    }
    const { clock, send } = this.#deps;
    this.#state = 'idle';
    this.#parent = new ParentSilence(heartbeat, clock.nowMs());
    send({ type: 'log', level: 'debug', message: 'heartbeats agreed on', fields: heartbeat });
    this.#report();
    const onBeat = () => {
      this.#report();
      this.#look(heartbeat);
    };
    this.#beat = new Beat({ periodMs: heartbeat.intervalMs, clock, onBeat });
  }

  #look({ silenceLimitMs }: HeartbeatSettings): void {
    const { clock, send, orphan } = this.#deps;
    const verdict = this.#parent!.look(clock.nowMs());
    if (verdict === undefined) return;
    const message = `Nothing was heard from the server for ${silenceLimitMs} ms.`;
    send({ type: 'log', level: verdict === 'end' ? 'error' : 'warn', message });
    if (verdict === 'warn') return;
    this.#end();
    orphan();
  }

  #report(): void {
    const stats = this.#backend?.stats() ?? {
      phase: this.#state === 'loading' ? 'loading' : 'starting',
      steps: 0,
      stepMs: 0,
      active: 0,
      waiting: 0,
      threads: 0,
      gpuBytes: 0,
      kvUsedTokens: 0,
    };
    this.#deps.send({ type: 'heartbeat', ...stats, rssBytes: this.#deps.rssBytes() });
  }

  async #estimate({ type: _, ...spec }: EstimateMessage): Promise<void> {
    this.#state = 'estimating';
    try {
      const backend = await this.#open();
      if (this.#isStopping) return;
      const needBytes = await backend.estimate(spec);
      if (this.#isStopping) return;
      if (this.#state === 'estimating') this.#state = 'idle';
      this.#deps.send({ type: 'estimated', needBytes });
    } catch (error) {
      this.#failed(error);
    }
  }

  async #load({ type: _, ...spec }: LoadMessage): Promise<void> {
    this.#state = 'loading';
    try {
      const backend = await this.#open();
      if (this.#isStopping) return;
      const loaded = await backend.load(spec);
      if (this.#isStopping) return;
      // A drain that came meanwhile stands: the model is there and takes no calls.
      if (this.#state === 'loading') this.#state = 'ready';
      this.#deps.send({ type: 'loaded', ...loaded });
    } catch (error) {
      this.#failed(error);
    }
  }

  async #open(): Promise<Backend> {
    const createBackend = await this.#deps.importBackend();
    this.#backend ??= createBackend(this.#sink());
    return this.#backend;
  }

  #failed(error: unknown): void {
    if (this.#isStopping) return;
    this.#state = 'failed';
    const reason = error instanceof Error ? error.message : String(error);
    const log = error instanceof LoadError ? error.log : '';
    this.#deps.send({ type: 'load_failed', reason, log });
  }

  // Read through getters: the compiler does not know that #state changes during an await.
  get #isStopping(): boolean {
    return this.#state === 'stopping' || this.#state === 'stopped';
  }

  get #isOrphan(): boolean {
    return this.#state === 'stopped';
  }

  #generate({ type: _, ...job }: GenerateMessage): void {
    if (this.#state === 'draining') {
      const message = 'The worker is shutting down and takes no new work.';
      this.#deps.send({ type: 'failed', call: job.call, error: { code: 'draining', message } });
      return;
    }
    if (this.#state !== 'ready' || this.#calls.has(job.call)) {
      this.#refuse({ type: 'generate' });
      return;
    }
    this.#calls.add(job.call);
    this.#backend!.generate(job);
  }

  #drain(): void {
    if (this.#isStopping) return;
    this.#state = 'draining';
    if (this.#calls.size === 0) this.#drained();
  }

  #drained(): void {
    this.#deps.send({ type: 'drained' });
    if (this.#exitsWhenDrained) void this.stop();
  }

  #refuse({ type }: { readonly type: ToWorkerMessage['type'] }): void {
    this.#deps.send({
      type: 'log',
      level: 'error',
      message: `The orchestrator sent "${type}" while the worker is ${this.#state}; the worker ends.`,
    });
    this.#end();
    this.#deps.exit(EXIT_PROTOCOL);
  }

  #end(): void {
    this.#state = 'stopped';
    this.#beat?.stop();
  }

  #ended(call: number, message: FromWorkerMessage): void {
    if (!this.#isRunning(call, message.type)) return;
    this.#calls.delete(call);
    this.#output.end(call);
    this.#deps.send(message);
    if (this.#state === 'draining' && this.#calls.size === 0) this.#drained();
  }

  #isRunning(call: number, what: string): boolean {
    if (this.#calls.has(call)) return true;
    this.#deps.send({
      type: 'log',
      level: 'error',
      message: `The backend reported "${what}" for a call that is not running; it was dropped.`,
      fields: { call },
    });
    return false;
  }

  #sink(): Sink {
    const { send } = this.#deps;
    return {
      loadProgress: (fraction) => send({ type: 'load_progress', fraction }),
      accepted: (call) => {
        if (this.#isRunning(call.call, 'accepted')) send({ type: 'accepted', ...call });
      },
      tokens: (sequences: readonly SequenceTokens[]) => {
        const running = sequences.filter(({ call }) => this.#isRunning(call, 'tokens'));
        this.#output.tokens(running);
      },
      finished: (end: CallEnd) => this.#ended(end.call, { type: 'finished', ...end }),
      failed: (call: number, error: WireError) =>
        this.#ended(call, { type: 'failed', call, error }),
      log: (level, message, fields?: LogFields) =>
        send({ type: 'log', level, message, ...(fields && { fields }) }),
    };
  }
}
