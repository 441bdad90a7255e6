/**
 * `hearth load | unload | recycle | stop | drain`: the same as the admin port's routes, for people. They
 * wait until it is done: until the worker is gone, until the model is ready.
 *
 * Exits  0 · 1 when no server runs here, or it refused.
 */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';

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
  context: CliContext,
): Promise<number> {
  const { hosts, adminPort } = readConfig(flags, context).config.server;
  const url = await findServer(hosts, adminPort);
  if (url === undefined) {
    throw new CliError(
      `no server answers on admin port ${adminPort}. Is it another one? --admin-port.`,
    );
  }
  const path = name === undefined ? operation : `${operation}/${encodeURIComponent(name)}`;
  const answer = await post(`${url}/admin/${path}`, keyHeaders(context.environment));
  if (answer.error !== undefined) throw new CliError(answer.error.message);
  process.stdout.write(flags.json ? `${JSON.stringify(answer)}\n` : `${toLine(answer)}\n`);
  return 0;
}

/** Waits as long as it takes: a load may, and `fetch` gives up after five minutes without a head. */
async function post(url: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const request = httpRequest(url, { method: 'POST', headers }).end();
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return (await json(response)) as Answer;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(`the server went away before it was done: ${why}`, { cause: error });
  }
}

function toLine({ name, state, status }: Answer): string {
  return name === undefined ? `the server is ${status}` : `${name} is ${state}`;
}
