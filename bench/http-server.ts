/**
 * The HTTP half of Hearth around an engine that answers at once, in a process of its own: what
 * `bench/http.ts` measures. Put together as `hearth serve` does it, with logging on.
 *
 * Prints the port. Ends when its standard input ends, so that it never outlives the bench.
 */
import { randomUUID } from 'node:crypto';

import { createApp } from '../src/api/app.ts';
import { Metrics } from '../src/api/metrics.ts';
import { listen } from '../src/api/server.ts';
import { createLog } from '../src/cli/log.ts';
import { systemClock } from '../src/core/clock.ts';
import { openGate } from '../src/core/gate.ts';
import { DirectCompiler } from '../tests/support/direct-compiler.ts';
import { ScriptedEngine } from '../tests/support/scripted-engine.ts';
import { noOperator } from '../tests/support/scripted-operator.ts';

const log = createLog({ level: 'info' }, { isTerminal: false });
const ports = new Set<number>();
const app = createApp({
  compiler: new DirectCompiler(),
  engine: new ScriptedEngine({ keeps: false }),
  gate: openGate,
  operator: noOperator,
  drain: () => {},
  log,
  clock: systemClock,
  metrics: new Metrics(),
  newRequestId: randomUUID,
  nowS: () => Math.floor(Date.now() / 1000),
  settings: {
    allowedHosts: [],
    allowedOrigins: [],
    ports,
    bodyMaxBytes: 32 * 1024 * 1024,
    strict: false,
    requestDeadlineMs: 600_000,
    waitingHeaderMs: 10_000,
    commentIntervalMs: 15_000,
    slowReaderMs: 30_000,
  },
});
const arrival = { headersTimeoutMs: 20_000, bodyTimeoutMs: 300_000 };
const server = await listen({ app, hosts: ['127.0.0.1'], port: 0, backlog: 512, log, ...arrival });
ports.add(server.port);
process.stdout.write(`${server.port}\n`);
process.stdin.resume().once('end', () => void server.close(0));
