/**
 * Puts a worker together: channel, session, signals, watchdog.
 *
 * Signals  SIGTERM drains and exits 0. SIGINT is left to the orchestrator: a terminal sends it to
 *          everybody, and who decides what Ctrl-C means is the parent.
 * Errors   an exception that nobody caught is told in a log message and ends the process with 70.
 */
import type { Duplex } from 'node:stream';

import { systemClock } from '../core/clock.ts';
import { entryUrl } from '../core/entry.ts';
import { keepHeapTiny } from '../core/small-heap.ts';
import { openParentChannel } from '../ipc/channel.ts';
import type { BackendFactory } from './backend.ts';
import type { BackendName } from './builds.ts';
import { killOwnGroup } from './end.ts';
import { Session } from './session.ts';
import { Watchdog } from './watchdog.ts';

/** EX_SOFTWARE of sysexits.h. */
const EXIT_SOFTWARE = 70;
/** How long the last words may take when nobody reads them. */
const LAST_WORDS_MS = 1_000;

export function runWorker(stream: Duplex, backend: BackendName): void {
  keepHeapTiny();
  const channel = openParentChannel(stream, {
    onMessage: (message) => session.onMessage(message),
    onClose: (error) => session.onClose(error),
  });
  // Begun before it is asked for: a worker is started to load a model, and importing takes longest.
  const imported = importBackend(backend);
  imported.catch(() => {}); // Told by the load that waits for it.
  const session = new Session({
    clock: systemClock,
    importBackend: () => imported,
    rssBytes: () => process.memoryUsage.rss(),
    send: (message) => channel.send(message),
    exit,
    orphan: killOwnGroup,
  });
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => session.onTerminate());
  process.on('uncaughtException', (error) => {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    channel.send({ type: 'log', level: 'error', message: `The worker failed: ${what}` });
    exit(EXIT_SOFTWARE);
  });
  new Watchdog();

  function exit(code: number): void {
    const late = setTimeout(() => process.exit(code), LAST_WORDS_MS);
    void channel.close().then(() => {
      clearTimeout(late);
      process.exit(code);
    });
  }
}

async function importBackend(name: BackendName): Promise<BackendFactory> {
  const url = entryUrl(`./backends/${name}/backend`, import.meta.url);
  const module = (await import(url.href)) as { readonly createBackend: BackendFactory };
  return module.createBackend;
}
