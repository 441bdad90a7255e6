/**
 * `hearth serve`: starts a server, says where it is, and stops it on a signal.
 *
 * Exits  0 after a drain · 1 when it cannot start, or when a second signal cut the drain short.
 */
import { systemClock } from '../core/clock.ts';
import { type CliContext, CliError } from './context.ts';
import { endOnCrash } from './crash.ts';
import { startLoadBar } from './load-bar.ts';
import { createLog, type LogFilter } from './log.ts';
import { Progress } from './progress.ts';
import { type ConfigFlags, readConfig } from './read-config.ts';
import { ServeReport } from './serve-report.ts';
import { findServedModels } from './served-models.ts';
import { type RunningServer, startServer } from './start-server.ts';
import { aborted, watchStopSignals } from './stop-signals.ts';
import { readVersion } from './version.ts';

export interface ServeFlags extends ConfigFlags {
  readonly model?: readonly string[];
  readonly json?: boolean;
}

export async function serve(flags: ServeFlags, context: CliContext): Promise<number> {
  const { config, file } = readConfig(flags, context);
  using signals = watchStopSignals(process, systemClock);
  const models = await findServedModels(config, flags.model, { context, signal: signals.drain });
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

  let server: RunningServer;
  try {
    server = await startServer({
      config,
      models,
      context,
      log,
      logFilter: filter,
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

function isOurFault(error: Error): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
}
