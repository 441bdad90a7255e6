/**
 * `hearth rm`: removes models that were pulled, and tells a running server.
 *
 * Exits  0 · 1 when one was not pulled, or is being pulled.
 */
import { PullError } from '../models/pull/pull-error.ts';
import { removePulled } from '../models/pull/remove.ts';
import { showBytes } from '../models/pull/sizes.ts';
import { type CliContext, CliError } from './context.ts';
import { tellServer } from './pull/tell-server.ts';
import { type ConfigFlags, readConfig } from './read-config.ts';

export async function rm(
  names: readonly string[],
  flags: ConfigFlags & { readonly json?: boolean },
  context: CliContext,
): Promise<number> {
  const { modelsDir } = readConfig(flags, context).config.paths;
  const removed = [];
  try {
    for (const name of names) {
      const { bytes, isPartial } = await removePulled(modelsDir, name);
      removed.push({ name, bytes });
      if (flags.json) continue;
      const what = isPartial ? 'what was fetched of it is removed' : 'removed';
      process.stdout.write(`${name}: ${what}, ${showBytes(bytes)}\n`);
    }
  } catch (error) {
    if (!(error instanceof PullError)) throw error;
    throw new CliError(error.message, { cause: error });
  } finally {
    if (removed.length > 0) await tell(flags, context);
  }
  if (flags.json) process.stdout.write(`${JSON.stringify({ removed })}\n`);
  return 0;
}

async function tell(flags: ConfigFlags, context: CliContext): Promise<void> {
  const told = await tellServer(flags, context);
  if (told === undefined) return;
  if (typeof told === 'string') process.stderr.write(`hearth: ${told}\n`);
  else if (told.refused.includes('models')) {
    process.stderr.write('hearth: the running server keeps its last model until it is restarted\n');
  }
}
