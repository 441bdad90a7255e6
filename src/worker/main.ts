/**
 * Entry of a worker process: `worker --run-id=<id> --backend=<name>`, frames on fd 3.
 *
 * fd 3 is opened before anything else; Node has made it close-on-exec by then, so that nothing a
 * backend starts can keep the channel open. stdout and stderr are free for logs of libraries.
 *
 * Signals  SIGTERM drains and exits 0. SIGINT is left to the orchestrator: a terminal sends it to
 *          everybody, and who decides what Ctrl-C means is the parent.
 * Exits    0 asked to · 64 wrong arguments · 70 a fault of ours · 76 the parent broke the protocol ·
 *          SIGKILL by itself when the parent is gone.
 */
import { Socket } from 'node:net';
import { parseArgs } from 'node:util';

import { entryUrl } from '../core/entry.ts';
import { openParentChannel } from '../ipc/channel.ts';
import type { BackendFactory } from './backend.ts';
import { type BackendName, buildOf, isBackendName } from './builds.ts';
import { killOwnGroup } from './end.ts';
import { Session } from './session.ts';
import { startWatchdog } from './watchdog.ts';

const CHANNEL_FD = 3;
const EXIT_USAGE = 64;
const EXIT_SOFTWARE = 70;
/** How long the last words may take when nobody reads them. */
const LAST_WORDS_MS = 1_000;

const { runId, backendName } = readArguments();
const channel = openParentChannel(new Socket({ fd: CHANNEL_FD, readable: true, writable: true }), {
  onMessage: (message) => session.onMessage(message),
  onClose: (error) => session.onClose(error),
});
const session = new Session({
  runId,
  backendName,
  build: buildOf(backendName),
  pid: process.pid,
  importBackend: () => importBackend(backendName),
  rssBytes: () => process.memoryUsage.rss(),
  send: (message) => channel.send(message),
  exit,
  orphan: killOwnGroup,
});

process.on('SIGINT', () => {});
process.on('SIGTERM', () => session.onTerminate());
process.on('uncaughtException', (error) => {
  const message = `The worker failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  channel.send({ type: 'log', level: 'error', message });
  exit(EXIT_SOFTWARE);
});
session.start();
startWatchdog();

function exit(code: number): void {
  const late = setTimeout(() => process.exit(code), LAST_WORDS_MS);
  void channel.close().then(() => {
    clearTimeout(late);
    process.exit(code);
  });
}

async function importBackend(name: BackendName): Promise<BackendFactory> {
  const url = entryUrl(`./backends/${name}/backend`, import.meta.url);
  const module = (await import(url.href)) as { readonly createBackend: BackendFactory };
  return module.createBackend;
}

function readArguments(): { readonly runId: string; readonly backendName: BackendName } {
  try {
    const { values, positionals } = parseArgs({
      options: { 'run-id': { type: 'string' }, backend: { type: 'string' } },
      allowPositionals: true,
    });
    const { 'run-id': id, backend } = values;
    if (positionals[0] !== 'worker' || !id || !backend || !isBackendName(backend)) {
      throw new Error('expected: worker --run-id=<id> --backend=<llama-cpp|fake>');
    }
    return { runId: id, backendName: backend };
  } catch (error) {
    process.stderr.write(`hearth worker: ${error instanceof Error ? error.message : error}\n`);
    process.exit(EXIT_USAGE);
  }
}
