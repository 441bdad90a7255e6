/** A whole HTTP application around a scripted engine, with its log lines kept. */
import { type App, createAdminApp, createApp } from '../../src/api/app.ts';
import type { ApiDeps, ApiSettings } from '../../src/api/deps.ts';
import { Metrics } from '../../src/api/metrics.ts';
import { systemClock } from '../../src/core/clock.ts';
import { type Gate, openGate } from '../../src/core/gate.ts';
import type { Log, LogFields } from '../../src/core/log.ts';
import { DirectCompiler } from './direct-compiler.ts';
import { ScriptedControls } from './scripted-controls.ts';
import { ScriptedEngine, type ScriptedEngineOptions } from './scripted-engine.ts';
import { ScriptedOperator } from './scripted-operator.ts';
import { ScriptedPuller } from './scripted-puller.ts';

export interface LogLine {
  readonly level: string;
  readonly fields: LogFields;
  readonly message: string;
}

export interface ApiFixture {
  readonly app: App;
  readonly admin: App;
  readonly engine: ScriptedEngine;
  readonly operator: ScriptedOperator;
  readonly controls: ScriptedControls;
  readonly puller: ScriptedPuller;
  readonly metrics: Metrics;
  readonly lines: LogLine[];
  /** The port rule's set: fill it once the port is known. */
  readonly ports: Set<number>;
}

const TEST_PORT = 11440;

export function makeApi(
  engineOptions: ScriptedEngineOptions = {},
  settings: Partial<ApiSettings> = {},
  gate: Gate = openGate,
): ApiFixture {
  const engine = new ScriptedEngine(engineOptions);
  const operator = new ScriptedOperator();
  const controls = new ScriptedControls();
  const puller = new ScriptedPuller();
  const lines: LogLine[] = [];
  const metrics = new Metrics();
  const ports = new Set([TEST_PORT, 80]);
  let ids = 0;
  const deps: ApiDeps = {
    engine,
    compiler: new DirectCompiler(),
    gate,
    operator,
    drain: () => operator.told.push('drain'),
    controls,
    puller,
    log: collectingLog(lines),
    clock: systemClock,
    metrics,
    newRequestId: () => {
      ids += 1;
      return `req-${ids}`;
    },
    nowS: () => 1_700_000_000,
    settings: {
      allowedHosts: [],
      allowedOrigins: [],
      ports,
      bodyMaxBytes: 32 * 1024 * 1024,
      strict: false,
      requestDeadlineMs: 60_000,
      waitingHeaderMs: 10_000,
      commentIntervalMs: 15_000,
      slowReaderMs: 30_000,
      ...settings,
    },
  };
  return {
    app: createApp(deps),
    admin: createAdminApp(deps),
    engine,
    operator,
    controls,
    puller,
    metrics,
    lines,
    ports,
  };
}

function collectingLog(lines: LogLine[]): Log {
  const at = (level: string) => (fields: LogFields, message: string) => {
    lines.push({ level, fields, message });
  };
  const log: Log = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
  };
  return log;
}

export function post(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  };
}
