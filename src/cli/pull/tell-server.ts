/** Has a server that runs here see what was pulled or removed, so that it can be asked for at once. */
import type { ReloadReport } from '../../core/controls.ts';
import { askAdminPort } from '../admin-port.ts';
import { type CliContext, CliError } from '../context.ts';
import { type ConfigFlags, readConfig } from '../read-config.ts';
import { findServer } from '../running-server.ts';

/** Undefined when none runs; a line that says why where it did not read again. */
export async function tellServer(
  flags: ConfigFlags,
  context: CliContext,
): Promise<ReloadReport | string | undefined> {
  const { hosts, adminPort } = readConfig(flags, context).config.server;
  if ((await findServer(hosts, adminPort)) === undefined) return undefined;
  try {
    return await askAdminPort<ReloadReport>({ method: 'POST', path: 'reload' }, flags, context);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return `the running server has not noticed: ${error.message} "hearth reload" tells it.`;
  }
}
