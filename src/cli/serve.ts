/**
 * `hearth serve`: starts a server, says where it is, has it read its configuration again on SIGHUP, and stops it
 * on the other signals.
 *
 * Exits  0 after a drain · 1 when it cannot start, or when a second signal cut the drain short.
 */
import { systemClock } from '../core/clock.ts';
import { RequestError } from '../core/errors.ts';
import { keepHeapSmall } from '../core/small-heap.ts';
import { type CliContext, CliError } from './context.ts';
import { endOnCrash, isOurFault } from './crash.ts';
import { watchHangUps, watchTerminal } from './hang-up.ts';
import type { ServedConfig } from './live-settings.ts';
import { startLoadBar } from './load-bar.ts';
import { createLog, type LogFilter } from './log.ts';
import { Progress } from './progress.ts';
import { type ConfigFlags, readConfig } from './read-config.ts';
import { ServeReport } from './serve-report.ts';
import { servedModels, unservedNotes } from './served-models.ts';
import { type RunningServer, startServer } from './start-server.ts';
import { aborted, watchStopSignals } from './stop-signals.ts';
import { readVersion } from './version.ts';

export interface ServeFlags extends ConfigFlags {
  readonly model?: readonly string[];
  readonly json?: boolean;
}

export async function serve(flags: ServeFlags, context: CliContext): Promise<number> {
  keepHeapSmall();
  const { config, settings, file } = readConfig(flags, context);
  using signals = watchStopSignals(process, systemClock);
  using hangUps = watchHangUps(process, {
    hasLostTerminal: watchTerminal(),
    end: () => process.kill(process.pid, 'SIGTERM'),
  });
  const models = servedModels(config, flags.model, context);
  const isTerminal = process.stderr.isTTY === true;
  const progress = new Progress(process.stderr);
  const filter: LogFilter = { level: config.log.level };
  const log = createLog(filter, { isTerminal, beforeLine: () => progress.clear() });
  using _crash = endOnCrash(process, log, (code) => process.exit(code));
  const print = (line: string) => {
    progress.clear();
    process.stdout.write(`${line}\n`);
  };
  const report = new ServeReport({
    isJson: flags.json === true,
    version: readVersion(),
    clock: systemClock,
    print,
  });
  log.debug({ file: file ?? 'none' }, 'configuration read');
  if (flags.model === undefined) {
    for (const note of unservedNotes(config, context)) log.warn({}, note);
  }

  let server: RunningServer;
  try {
    server = await startServer({
      config,
      models,
      context,
      log,
      live: {
        filter,
        served: { config, settings, models },
        read: () => readServed(flags, context),
      },
      onModel: (model) => report.model(model),
    });
  } catch (error) {
    await log.close();
    // A port that is in use, a folder that cannot be written: for the user to mend.
    throw error instanceof Error && !isOurFault(error)
      ? new CliError(error.message, { cause: error })
      : error;
  }
  report.listening(server, server.engine.models());
  hangUps.whenAsked(() => {
    try {
      server.controls?.reload();
    } catch (error) {
      // What is wrong with the configuration has been logged; nothing has changed in either case.
      if (error instanceof RequestError) return;
      log.error({ err: error }, 'a fault of Hearth itself; report it with this line');
    }
  });
  using _bar = isTerminal ? startLoadBar(server.engine, progress) : undefined;

  await aborted(signals.drain);
  const isDrained = await Promise.race([
    server.close().then(() => true),
    aborted(signals.abort).then(() => false),
  ]);
  if (!isDrained) await server.destroy(new Error('the server was told to stop at once'));
  log.info({ drained: isDrained }, 'stopped');
  await log.close();
  return isDrained ? 0 : 1;
}

/** Throws what a start would end with, about models too. */
function readServed(flags: ServeFlags, context: CliContext): ServedConfig {
  const { config, settings } = readConfig(flags, context);
  return { config, settings, models: servedModels(config, flags.model, context) };
}
