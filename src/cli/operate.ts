/**
 * `hearth load | unload | recycle | stop | drain`: the same as the admin port's routes, for people. They
 * wait until it is done: until the worker is gone, until the model is ready.
 *
 * Exits  0 · 1 when no server runs here, or it refused.
 */
import { askAdminPort } from './admin-port.ts';
import type { CliContext } from './context.ts';
import type { ConfigFlags } from './read-config.ts';

export type Operation = 'load' | 'unload' | 'recycle' | 'stop' | 'drain';

interface Answer {
  readonly name?: string;
  readonly state?: string;
  readonly status?: string;
}

/** `name` is a model; for `stop` also the id or pid of a worker; for `drain` nothing. */
export async function operate(
  operation: Operation,
  name: string | undefined,
  flags: ConfigFlags & { readonly json?: boolean },
  context: CliContext,
): Promise<number> {
  const path = name === undefined ? operation : `${operation}/${encodeURIComponent(name)}`;
  const answer = await askAdminPort<Answer>({ method: 'POST', path }, flags, context);
  process.stdout.write(flags.json ? `${JSON.stringify(answer)}\n` : `${toLine(answer)}\n`);
  return 0;
}

function toLine({ name, state, status }: Answer): string {
  return name === undefined ? `the server is ${status}` : `${name} is ${state}`;
}
