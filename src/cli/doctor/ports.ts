/** Can the server listen where it is configured to? */
import { createServer } from 'node:net';

import { isHearth } from '../running-server.ts';
import { type Check, good, warn } from './check.ts';

export async function checkPort(
  name: string,
  hosts: readonly string[],
  port: number,
): Promise<Check> {
  if (port === 0) return good(name, 'picked when the server starts');
  const states = await Promise.all(
    hosts.map(async (host) => ({ host, error: await tryListen(host, port) })),
  );
  const inUse = states.find(({ error }) => error === 'EADDRINUSE');
  if (inUse) {
    const { host } = inUse;
    if (await isHearth({ host, port })) return good(name, `${port}: a Hearth server answers there`);
    return warn(name, `${port} is in use on ${host}`, 'Stop that program, or choose another port.');
  }
  // A machine without IPv6 is served over IPv4 alone.
  const free = states.filter(({ error }) => error === undefined);
  if (free.length > 0)
    return good(name, `${port} is free on ${free.map(({ host }) => host).join(', ')}`);
  const codes = states.map(({ host, error }) => `${host}: ${error}`).join(', ');
  return warn(name, `cannot listen on ${port} (${codes})`, 'Choose another port or address.');
}

/** Returns the error code, or undefined when it works. */
function tryListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
