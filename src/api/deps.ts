/** What the HTTP layer is handed by the composition root. It constructs none of it. */
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';

import type { Clock } from '../core/clock.ts';
import type { ConstraintCompiler } from '../core/constraint.ts';
import type { Controls } from '../core/controls.ts';
import type { Engine } from '../core/engine.ts';
import type { Gate } from '../core/gate.ts';
import type { Log } from '../core/log.ts';
import type { Operator } from '../core/operator.ts';
import type { Puller } from '../core/puller.ts';
import type { Metrics } from './metrics.ts';

export interface ApiSettings {
  /** Names besides localhost, `NAME` (any port) or `NAME:PORT`. */
  readonly allowedHosts: readonly string[];
  /** Origins of web pages that may use the server, as browsers write them. */
  readonly allowedOrigins: readonly string[];
  /** The ports this application listens on. May be filled after `listen`: it is read per request. */
  readonly ports: ReadonlySet<number>;
  /** For the body as it arrives and for what it decodes to. May change: it is read per request. */
  readonly bodyMaxBytes: number;
  /** Refuse parameters that nobody has heard of, instead of naming them in a header. */
  readonly strict: boolean;
  /** From arrival to the last byte of the answer. */
  readonly requestDeadlineMs: number;
  /** How long a stream waits for its first token before it sends its headers. */
  readonly waitingHeaderMs: number;
  /** Longest silence of a stream that waits for its first token. */
  readonly commentIntervalMs: number;
  /** A stream that is not read for so long is cut. */
  readonly slowReaderMs: number;
}

export interface ApiDeps {
  readonly engine: Engine;
  readonly compiler: ConstraintCompiler;
  readonly gate: Gate;
  /** Of the admin application. */
  readonly operator: Operator;
  /** Begins to end the server, as SIGTERM does. */
  readonly drain: () => void;
  /** Absent where a server is part of another command. */
  readonly controls?: Controls | undefined;
  /** Absent there, too. */
  readonly puller?: Puller | undefined;
  readonly log: Log;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Unique, made of `[A-Za-z0-9._-]`. */
  readonly newRequestId: () => string;
  /** Seconds since the epoch. */
  readonly nowS: () => number;
  readonly settings: ApiSettings;
}

/** `env` holds Node's own objects behind a socket and is absent under `app.request()`. */
export interface ApiEnv {
  Bindings: Partial<HttpBindings>;
}
export type ApiContext = Context<ApiEnv>;
