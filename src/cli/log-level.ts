/**
 * `hearth log level [LEVEL]`: shows or sets what a running server logs.
 *
 * Exits  0 · 1 when no server runs here, or it refused.
 */
import { type AdminQuestion, askAdminPort } from './admin-port.ts';
import type { CliContext } from './context.ts';
import type { ConfigFlags } from './read-config.ts';

interface Answer {
  readonly level: string;
}

/** Without `level` it is only shown. */
export async function logLevel(
  level: string | undefined,
  flags: ConfigFlags & { readonly json?: boolean },
  context: CliContext,
): Promise<number> {
  const question: AdminQuestion =
    level === undefined
      ? { method: 'GET', path: 'log' }
      : { method: 'PUT', path: 'log', body: { level } };
  const answer = await askAdminPort<Answer>(question, flags, context);
  process.stdout.write(flags.json ? `${JSON.stringify(answer)}\n` : `${answer.level}\n`);
  return 0;
}
