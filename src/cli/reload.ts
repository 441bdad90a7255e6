/**
 * `hearth reload`: has a running server read its configuration again, as SIGHUP does.
 *
 * Exits  0, also when something needs a restart · 1 when no server runs here, or the configuration has an error.
 */
import type { ReloadReport } from '../core/controls.ts';
import { askAdminPort } from './admin-port.ts';
import type { CliContext } from './context.ts';
import type { ConfigFlags } from './read-config.ts';

export async function reload(
  flags: ConfigFlags & { readonly json?: boolean },
  context: CliContext,
): Promise<number> {
  const question = { method: 'POST', path: 'reload' } as const;
  const report = await askAdminPort<ReloadReport>(question, flags, context);
  process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : describeReload(report));
  return 0;
}

/** One line for each kind of thing, with its line break. */
export function describeReload({ applied, refused, models }: ReloadReport): string {
  const changes = Object.entries(models)
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${what} ${names.join(', ')}`);
  const lines = [
    ...(applied.length > 0 ? [`applied: ${applied.join(', ')}`] : []),
    ...(refused.length > 0 ? [`needs a restart: ${refused.join(', ')}`] : []),
    ...(changes.length > 0 ? [`models: ${changes.join('; ')}`] : []),
  ];
  return lines.length === 0 ? 'nothing has changed\n' : `${lines.join('\n')}\n`;
}
