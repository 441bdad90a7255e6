/**
 * `hearth doctor`: looks at everything a server needs and says what is missing and what to do.
 * It shows no secrets: facts about the machine, paths, ports. It changes nothing, but that workers which a
 * dead server left behind are ended.
 *
 * Exits  0 · 1 when something must be mended first.
 */
import { showSource } from '../../config/layers.ts';
import { ConfigError } from '../../config/load.ts';
import { ModelError } from '../../models/catalogue.ts';
import { type CliContext, CliError } from '../context.ts';
import { type ConfigFlags, type ReadConfig, readConfig } from '../read-config.ts';
import { servedModels } from '../served-models.ts';
import { readVersion } from '../version.ts';
import { type Check, fail, good } from './check.ts';
import { checkFolder, checkModelFile } from './folders.ts';
import { checkGpu, nativeVersion } from './gpu.ts';
import { checkMachine } from './machine.ts';
import { checkMlx } from './mlx.ts';
import { checkNative } from './native.ts';
import { checkPort } from './ports.ts';
import { checkWorkers } from './workers.ts';

export async function doctor(
  flags: ConfigFlags & { readonly json?: boolean },
  context: CliContext,
): Promise<number> {
  const native = await checkNative(context.environment);
  const checks: readonly Check[] = [
    ...checkMachine(readVersion(), nativeVersion(), context.memoryBytes),
    native.check,
    checkGpu(native.gpu),
    await checkMlx(context),
    ...(await checkConfigured(flags, context)),
  ];
  const failed = checks.filter(({ status }) => status === 'fail').length;
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ healthy: failed === 0, checks })}\n`);
  } else {
    process.stdout.write(checks.map(describe).join(''));
    process.stdout.write(failed === 0 ? 'all good to serve\n' : `${failed} to mend first\n`);
  }
  return failed === 0 ? 0 : 1;
}

async function checkConfigured(flags: ConfigFlags, context: CliContext): Promise<readonly Check[]> {
  let read: ReadConfig;
  try {
    read = readConfig(flags, context);
  } catch (error) {
    if (!(error instanceof ConfigError) && !(error instanceof CliError)) throw error;
    return error.message.split('\n').map((line) => fail('configuration', line, 'Mend it.'));
  }
  const { server, paths } = read.config;
  return [
    good('configuration', read.file ?? 'no file; everything is by default'),
    good('tier', describeTier(read, context)),
    checkFolder('state folder', paths.stateDir),
    checkFolder('models folder', paths.modelsDir),
    await checkWorkers(paths.stateDir),
    await checkPort('main port', server.hosts, server.port),
    await checkPort('admin port', server.hosts, server.adminPort),
    ...checkModels(read, context),
  ];
}

function describeTier({ tier, settings }: ReadConfig, { memoryBytes }: CliContext): string {
  const setting = settings.find(({ path }) => path === 'tier.memory_gb');
  const why =
    setting === undefined || setting.value === 'auto'
      ? `by ${(memoryBytes / 1e9).toFixed(1)} GB of memory`
      : `forced by ${showSource(setting.source)}`;
  return `${tier}, ${why}; "hearth config show" says what comes from it`;
}

function checkModels({ config }: ReadConfig, context: CliContext): readonly Check[] {
  try {
    return servedModels(config, undefined, context).map(({ name, path }) =>
      checkModelFile(name, path),
    );
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return error.message.split('\n').map((line) => fail('models', line, 'Mend the configuration.'));
  }
}

const MARKS = { good: 'ok  ', warn: 'warn', fail: 'FAIL' } as const;
const NAME_WIDTH = 16;

function describe({ name, status, found, advice }: Check): string {
  const line = `${MARKS[status]}  ${name.padEnd(NAME_WIDTH)} ${found}\n`;
  return advice === undefined ? line : `${line}      ${''.padEnd(NAME_WIDTH)} ${advice}\n`;
}
