/**
 * `hearth load | unload | recycle | stop | drain`: the same as the admin port's routes, for people. They
 * wait until it is done: until the worker is gone, until the model is ready.
 *
 * Exits  0 · 1 when no server runs here, or it refused.
 */
import { keyHeaders } from './api-key.ts';
import { type CliContext, CliError } from './context.ts';
import { type ConfigFlags, readConfig } from './read-config.ts';
import { findServer } from './running-server.ts';

export type Operation = 'load' | 'unload' | 'recycle' | 'stop' | 'drain';

interface Answer {
  readonly name?: string;
  readonly state?: string;
  readonly status?: string;
  readonly error?: { readonly message: string };
}

/** `name` is a model; for `stop` also the id or pid of a worker; for `drain` nothing. */
export async function operate(
  operation: Operation,
  name: string | undefined,
  flags: ConfigFlags & { readonly json?: boolean },
  { environment, ...context }: CliContext,
): Promise<number> {
  const { hosts, adminPort } = readConfig(flags, { environment, ...context }).config.server;
  const url = await findServer(hosts, adminPort);
  if (url === undefined) {
    throw new CliError(
      `no server answers on admin port ${adminPort}. Is it another one? --admin-port.`,
    );
  }
  const path = name === undefined ? operation : `${operation}/${encodeURIComponent(name)}`;
  const response = await fetch(`${url}/admin/${path}`, {
    method: 'POST',
    headers: keyHeaders(environment),
  });
  const answer = (await response.json()) as Answer;
  if (answer.error !== undefined) throw new CliError(answer.error.message);
  process.stdout.write(flags.json ? `${JSON.stringify(answer)}\n` : `${toLine(answer)}\n`);
  return 0;
}

function toLine({ name, state, status }: Answer): string {
  return name === undefined ? `the server is ${status}` : `${name} is ${state}`;
}
