/**
 * Asks the admin port of the server that runs here, for the commands that are its routes for people.
 *
 * Errors  CliError: no server runs here, it refused, or it went away.
 */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';

import { keyHeaders } from './api-key.ts';
import { type CliContext, CliError } from './context.ts';
import { type ConfigFlags, readConfig } from './read-config.ts';
import { findServer } from './running-server.ts';

export interface AdminQuestion {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Behind `/admin/`. */
  readonly path: string;
  readonly body?: object;
}

/** `Answer` is what the route says where it does not refuse. */
export async function askAdminPort<Answer extends object>(
  question: AdminQuestion,
  flags: ConfigFlags,
  context: CliContext,
): Promise<Answer> {
  const { hosts, adminPort } = readConfig(flags, context).config.server;
  const url = await findServer(hosts, adminPort);
  if (url === undefined) {
    throw new CliError(
      `no server answers on admin port ${adminPort}. Is it another one? --admin-port.`,
    );
  }
  const answer = await ask<Answer>(url, question, keyHeaders(context.environment));
  if ('error' in answer) throw new CliError(answer.error.message);
  return answer;
}

interface Refusal {
  readonly error: { readonly message: string };
}

/** Waits as long as it takes: a load may, and `fetch` gives up after five minutes without a head. */
async function ask<Answer>(
  url: string,
  { method, path, body }: AdminQuestion,
  headers: Readonly<Record<string, string>>,
): Promise<Answer | Refusal> {
  const request = httpRequest(`${url}/admin/${path}`, { method, headers });
  if (body !== undefined) request.setHeader('content-type', 'application/json');
  request.end(body === undefined ? undefined : JSON.stringify(body));
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return (await json(response)) as Answer | Refusal;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(`the server went away before it was done: ${why}`, { cause: error });
  }
}
