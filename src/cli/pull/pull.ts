/**
 * `hearth pull`: brings a model from a hub; without one named it lists the short names.
 *
 * Exits  0 it is there · 1 it cannot be had, one line on stderr (with `--json` an event) · 130 Ctrl-C, 143 SIGTERM:
 *        what was fetched is kept, and the same command goes on with it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PullDone } from '../../core/puller.ts';
import { pull } from '../../models/pull/pull.ts';
import { PullError } from '../../models/pull/pull-error.ts';
import { SHORT_NAMES } from '../../models/pull/short-names.ts';
import { showBytes } from '../../models/pull/sizes.ts';
import { type CliContext, CliError } from '../context.ts';
import { mlxPlace, SET_UP_MLX } from '../mlx/environment.ts';
import { Progress } from '../progress.ts';
import { type ConfigFlags, readConfig } from '../read-config.ts';
import { table } from '../table.ts';
import { Narrator } from './narrator.ts';
import { pullSettings } from './settings.ts';
import { tellServer } from './tell-server.ts';

export interface PullFlags extends ConfigFlags {
  readonly name?: string;
  readonly revision?: string;
  readonly list?: boolean;
  readonly json?: boolean;
}

/** For open files and connections to be let go; then it ends all the same. */
const STOP_LIMIT_MS = 800;
const EXITS = { SIGINT: 130, SIGTERM: 143 } as const;

export async function pullCommand(
  reference: string | undefined,
  flags: PullFlags,
  context: CliContext,
): Promise<number> {
  if (reference === undefined || flags.list) return listShortNames(flags.json === true);
  const { config } = readConfig(flags, context);
  const settings = pullSettings(config, context);
  const isJson = flags.json === true;
  const progress = new Progress(process.stderr);
  const print = (line: string) => process.stdout.write(`${line}\n`);
  const narrator = new Narrator({ isJson, progress, print });
  using stop = watchStop();
  const { name, revision } = flags;
  try {
    const done = await pull(
      { reference, name, revision },
      { ...settings, signal: stop.signal, onEvent: (event) => narrator.tell(event) },
    );
    const told = done.change !== 'none' ? await tellServer(flags, context) : undefined;
    narrator.tell(done);
    progress.clear();
    const isUsable = done.format !== 'mlx' || mlxPlace(context.folders).isThere;
    if (!isJson) print(isUsable ? nextStep(done, told) : SET_UP_MLX);
    else if (typeof told === 'string') process.stderr.write(`hearth: ${told}\n`);
    return 0;
  } catch (error) {
    progress.clear();
    const { exit } = stop;
    if (exit !== undefined) {
      const message = 'stopped; the same command goes on where it was';
      if (isJson) print(JSON.stringify({ event: 'error', code: 'interrupted', message }));
      else process.stderr.write(`hearth: ${message}\n`);
      return exit;
    }
    if (!(error instanceof PullError)) throw error;
    if (!isJson) throw new CliError(error.message, { cause: error });
    print(JSON.stringify({ event: 'error', code: error.code, message: error.message }));
    return 1;
  }
}

/** The first signal aborts, and what does not stop by then is cut. */
function watchStop() {
  const abort = new AbortController();
  let exit: number | undefined;
  const onSignal = (name: NodeJS.Signals) => {
    const code = EXITS[name as keyof typeof EXITS];
    exit ??= code;
    abort.abort(new Error('stopped'));
    void sleep(STOP_LIMIT_MS, undefined, { ref: false }).then(() => process.exit(code));
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return {
    signal: abort.signal,
    /** Undefined when there was no signal. */
    get exit() {
      return exit;
    },
    [Symbol.dispose]() {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    },
  };
}

function nextStep(
  { name, change }: PullDone,
  told: Awaited<ReturnType<typeof tellServer>>,
): string {
  if (typeof told === 'string') return told;
  const chat = `hearth chat ${name}`;
  if (told === undefined) return `talk to it: ${chat}`;
  if (change === 'updated') return `the running server takes it with: hearth recycle ${name}`;
  const { added, changed } = told.models;
  if ([...added, ...changed].includes(name)) return `the running server serves it: ${chat}`;
  return 'the running server serves other models by this name, or only those of --model';
}

function listShortNames(isJson: boolean): number {
  const rows = SHORT_NAMES.map((one) => ({
    name: one.name,
    reference: `${one.repository}:${one.quant}`,
    about_bytes: one.aboutBytes,
    about_memory_bytes: one.aboutMemoryBytes,
    licence: one.licence,
    about: one.about,
  }));
  if (isJson) {
    process.stdout.write(`${JSON.stringify({ short_names: rows })}\n`);
    return 0;
  }
  const cells = rows.map((row) => [
    row.name,
    `about ${showBytes(row.about_bytes)}`,
    `about ${showBytes(row.about_memory_bytes)}`,
    row.licence,
    row.about,
    row.reference,
  ]);
  process.stdout.write(table([['NAME', 'SIZE', 'MEMORY', 'LICENCE', 'FOR', 'FROM'], ...cells]));
  process.stdout.write(
    '\nhearth pull NAME, or any GGUF of the hub: hearth pull org/model[:QUANT]\n',
  );
  return 0;
}
