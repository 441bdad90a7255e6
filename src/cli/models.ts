/**
 * `hearth models`: those of the running server with their state, else those that are configured; with
 * `--disk` those that were pulled.
 */
import { keyHeaders } from './api-key.ts';
import { type CliContext, CliError } from './context.ts';
import type { Environment } from './environment.ts';
import { type ConfigFlags, readConfig } from './read-config.ts';
import { findServer } from './running-server.ts';
import { servedModels } from './served-models.ts';
import { table } from './table.ts';

/** A local server answers at once or has a fault. */
const LIMIT_MS = 5_000;

interface Row {
  readonly name: string;
  readonly backend: string;
  readonly state: string;
  readonly slots: number;
  readonly contextTokens: number;
  readonly description?: string | undefined;
  readonly note: string;
}

export async function models(
  flags: ConfigFlags & { readonly json?: boolean; readonly disk?: boolean },
  context: CliContext,
): Promise<number> {
  const { config } = readConfig(flags, context);
  if (flags.disk) {
    const { showDisk } = await import('./models-disk.ts');
    return showDisk(config.paths.modelsDir, flags.json === true);
  }
  const { hosts, adminPort } = config.server;
  const url = await findServer(hosts, adminPort);
  const rows =
    url === undefined
      ? servedModels(config, undefined, context).map((spec) => ({
          ...spec,
          state: 'configured',
          note: spec.description ?? spec.path,
        }))
      : await fetchRows(url, context.environment);
  if (flags.json) {
    const list = rows.map(({ name, backend, state, slots, contextTokens, description }) => {
      return { name, backend, state, slots, context_tokens: contextTokens, description };
    });
    process.stdout.write(`${JSON.stringify({ server: url ?? null, models: list })}\n`);
  } else {
    process.stdout.write(url === undefined ? 'no server is running; configured:\n' : '');
    process.stdout.write(toText(rows));
  }
  return 0;
}

/** What the admin port says of a model. */
interface AdminModel {
  readonly name: string;
  readonly backend: string;
  readonly state: string;
  readonly slots: number;
  readonly context_tokens: number;
  readonly reason?: string | null;
  readonly description?: string;
}

async function fetchRows(url: string, environment: Environment): Promise<readonly Row[]> {
  const response = await fetch(`${url}/admin/health`, {
    headers: keyHeaders(environment),
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  const body = (await response.json()) as {
    readonly models: readonly AdminModel[];
    readonly error?: { readonly message: string };
  };
  if (body.error !== undefined) throw new CliError(body.error.message);
  return body.models.map((model) => ({
    ...model,
    contextTokens: model.context_tokens,
    note: model.reason ?? model.description ?? '',
  }));
}

function toText(rows: readonly Row[]): string {
  const cells = [
    ['NAME', 'BACKEND', 'STATE', 'SLOTS', 'CONTEXT', ''],
    ...rows.map((row) => {
      const { name, backend, state, slots, contextTokens, note } = row;
      return [name, backend, state, String(slots), String(contextTokens), note];
    }),
  ];
  return table(cells);
}
