/**
 * Puts a server together and starts it: the one place where the long-lived things are made.
 *
 *   open the registry ─▶ spawn first worker ─▶ import and start the orchestrator ─▶ import the HTTP half
 *   ─▶ listen ─▶ running
 *   running ──close()──▶ drained: no new connection, no new request, running ones end, workers end
 *   running ──destroy()─▶ everything ends now
 *
 * What takes longest goes first: the first worker imports its own half while the orchestrator is
 * imported, and loads its model while the HTTP half is. A port in use ends the workers again. The keys
 * close last: what the last requests used is written then.
 */
import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { HttpServer, ListenOptions } from '../api/server.ts';
import type { Config } from '../config/settings.ts';
import { systemClock } from '../core/clock.ts';
import type { Controls } from '../core/controls.ts';
import type { Engine } from '../core/engine.ts';
import type { Log } from '../core/log.ts';
import type { Puller } from '../core/puller.ts';
import { sweepArenaFolder } from '../ipc/arena-folder.ts';
import type { BackendName, ModelSpec } from '../models/spec.ts';
import type { Orchestrator } from '../orchestrator/orchestrator.ts';
import { Registry } from '../orchestrator/registry/registry.ts';
import { spawnRegistered } from '../orchestrator/registry/spawn-registered.ts';
import { toHeartbeat } from '../orchestrator/replica/worker-process.ts';
import { arenaFolders } from './arena-folders.ts';
import type { CliContext } from './context.ts';
import { workerEnvironment } from './environment.ts';
import { LazyCompiler } from './lazy-compiler.ts';
import { LiveSettings, type LiveSettingsOptions } from './live-settings.ts';
import { mlxProgram } from './mlx/environment.ts';
import type { ModelListener } from './model-events.ts';
import { openKeys } from './open-keys.ts';
import { ensureStateDir } from './paths.ts';

export interface StartOptions {
  readonly config: Config;
  /** The default model first; at least one. */
  readonly models: readonly ModelSpec[];
  readonly context: CliContext;
  readonly log: Log;
  /** Absent: the settings of this server stay as they are. */
  readonly live?: Pick<LiveSettingsOptions, 'filter' | 'served' | 'read'> | undefined;
  /** Told when a model's state changes. */
  readonly onModel?: ModelListener | undefined;
}

export interface RunningServer {
  readonly engine: Engine;
  /** Undefined where its settings stay. */
  readonly controls: Controls | undefined;
  /** Those that are really listened on. */
  readonly hosts: readonly string[];
  readonly port: number;
  readonly adminPort: number;
  /** Bounded by the configured drain time. Idempotent. */
  close(): Promise<void>;
  /** Idempotent, also after `close`. */
  destroy(reason: Error): Promise<void>;
}

/** Once running requests have ended, their last bytes need a moment to go out. */
const LAST_BYTES_MS = 1_000;

/** Rejects with a ListenError, an OwnerError, or an Error that names the state folder. */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const { config, models, context, log, live, onModel = () => {} } = options;
  const { server, limits, rateLimits, worker } = config;
  ensureStateDir(config.paths.stateDir);
  // What is held until the last worker has ended.
  const held = new DisposableStack();
  const registry = held.use(openRegistry(config, log));
  const orphans = await registry.sweep();
  const folders = arenaFolders(config.paths.stateDir, context.environment);
  const sweepArenas = () => folders.forEach(sweepArenaFolder);
  // Ours alone, because the registry is: what lies there now was left by a crash.
  sweepArenas();
  held.defer(sweepArenas);
  const environment = workerEnvironment(
    context.environment,
    join(context.folders.cacheDir, 'compile'),
  );
  // Set up while we run, it is there from the next start of a worker on.
  const programOf = (backend: BackendName) => (backend === 'mlx' ? mlxProgram(context) : undefined);
  const prespawned = new Map(
    models
      .filter(({ preload }) => preload)
      .slice(0, 1)
      .map(({ name, backend }) => {
        const runId = randomUUID();
        const heartbeat = toHeartbeat(worker);
        const program = programOf(backend);
        const spec = { model: name, backend, number: 1, runId, environment, heartbeat, program };
        return [name, spawnRegistered(spec, registry)] as const;
      }),
  );

  let { bodyMaxBytes } = limits;
  const constraintLimits = {
    schemaMaxBytes: limits.schemaMaxBytes,
    schemaMaxDepth: limits.schemaMaxDepth,
  };
  const compiler = new LazyCompiler({
    register: registry,
    environment,
    heartbeat: toHeartbeat(worker),
    limits: constraintLimits,
    clock: systemClock,
    log,
  });

  const open: HttpServer[] = [];
  let started: Orchestrator | undefined;
  try {
    const [{ Orchestrator }, { MemoryBook }, { WatchedMetrics }] = await Promise.all([
      import('../orchestrator/orchestrator.ts'),
      import('../orchestrator/memory/memory-book.ts'),
      import('./model-events.ts'),
    ]);
    const clock = systemClock;
    const names = models.map(({ name }) => name);
    const { gate, usageBook, setConfigured, setModels } = held.use(
      openKeys(config, names, { clock, log }),
    );
    const metrics = new WatchedMetrics((name) => {
      const info = orchestrator.models().find((model) => model.name === name);
      if (info) onModel(info);
    });
    const orchestrator = new Orchestrator({
      models,
      limits,
      queueDepthWarn: limits.queueDepthWarn,
      rateLimits,
      usageBook,
      worker: {
        ...worker,
        slowReaderMs: server.slowReaderMs,
        environment,
        programOf,
        arenaFolder: folders[0],
      },
      cores: availableParallelism(),
      clock,
      log,
      observer: metrics,
      newRunId: randomUUID,
      register: registry,
      memory: {
        budgetBytes: limits.memoryBudgetBytes,
        book: new MemoryBook(config.paths.stateDir),
      },
      prespawned,
    });
    started = orchestrator;
    metrics.orphansEnded(orphans);
    await orchestrator.start();

    const controls =
      live &&
      new LiveSettings({
        ...live,
        setKeys: setConfigured,
        setLimits: ({ limits: newer, rateLimits: newerRates }) => {
          const { queueDepthWarn } = newer;
          orchestrator.setLimits({ limits: newer, queueDepthWarn, rateLimits: newerRates });
          bodyMaxBytes = newer.bodyMaxBytes;
          const { schemaMaxBytes, schemaMaxDepth } = newer;
          Object.assign(constraintLimits, { schemaMaxBytes, schemaMaxDepth });
        },
        setModels: (newer) => {
          orchestrator.setModels(newer);
          setModels(newer.map(({ name }) => name));
        },
        log,
      });

    const puller = controls && makePuller({ config, context, controls, log });

    const [{ createAdminApp, createApp }, { listen }] = await Promise.all([
      import('../api/app.ts'),
      import('../api/server.ts'),
    ]);
    const start = async (port: number, create: typeof createApp) => {
      // The Host rule needs the port, which is known once it listens; nothing is served before.
      const ports = new Set<number>();
      const app = create({
        engine: orchestrator,
        compiler,
        gate,
        operator: orchestrator,
        drain: () => process.kill(process.pid, 'SIGTERM'),
        controls,
        puller,
        log,
        clock,
        metrics,
        newRequestId: randomUUID,
        nowS: () => Math.floor(Date.now() / 1000),
        settings: {
          ...server,
          ports,
          get bodyMaxBytes() {
            return bodyMaxBytes;
          },
        },
      });
      const listening = await listen({
        app,
        hosts: server.hosts,
        port,
        backlog: server.listenBacklog,
        headersTimeoutMs: server.headersTimeoutMs,
        bodyTimeoutMs: server.bodyTimeoutMs,
        log,
      } satisfies ListenOptions);
      ports.add(listening.port);
      open.push(listening);
      return listening;
    };
    const main = await start(server.port, createApp);
    const admin = await start(server.adminPort, createAdminApp);
    log.info({ hosts: main.hosts, port: main.port, adminPort: admin.port }, 'listening');

    let closing: Promise<void> | undefined;
    return {
      engine: orchestrator,
      controls,
      hosts: main.hosts,
      port: main.port,
      adminPort: admin.port,
      close: () => {
        closing ??= Promise.all([
          orchestrator.close(),
          ...open.map((one) => one.close(worker.drainTimeoutMs + LAST_BYTES_MS)),
        ])
          .then(() => compiler.close())
          .then(() => held.dispose());
        return closing;
      },
      destroy: async (reason) => {
        await orchestrator.destroy(reason);
        // A close that is under way keeps its longer deadline; nobody waits for it any more.
        const closed = Promise.all(open.map((one) => one.close(LAST_BYTES_MS)));
        await Promise.race([closed, sleep(LAST_BYTES_MS, undefined, { ref: false })]);
        await compiler.close();
        held.dispose();
      },
    };
  } catch (error) {
    for (const child of prespawned.values()) child.kill();
    await started?.destroy(error instanceof Error ? error : new Error(String(error)));
    await Promise.all(open.map((one) => one.close(0)));
    await compiler.close();
    held.dispose();
    throw error;
  }
}

/** Its code is imported when somebody pulls. */
function makePuller({ config, context, controls, log }: PullerParts): Puller {
  return {
    async pull(request, options) {
      const [{ ServerPuller }, { pullSettings }] = await Promise.all([
        import('./pull/server-puller.ts'),
        import('./pull/settings.ts'),
      ]);
      const puller = new ServerPuller({
        settings: () => pullSettings(config, context),
        reload: () => controls.reload(),
        log,
      });
      return puller.pull(request, options);
    },
  };
}

interface PullerParts {
  readonly config: Config;
  readonly context: CliContext;
  readonly controls: Controls;
  readonly log: Log;
}

function openRegistry({ paths }: Config, log: Log): Registry {
  return Registry.open({
    stateDir: paths.stateDir,
    token: randomUUID(),
    log,
    wallMs: () => Date.now(),
  });
}
