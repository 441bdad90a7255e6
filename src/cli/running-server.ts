/** Finds a Hearth server that runs on this machine. */

/** A server on loopback that does not say a word by then is none. */
const LIMIT_MS = 2_000;
const GREETING = 'Hearth is running';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Who listens on all addresses is found on loopback. */
const REACHED_AT: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** `http://127.0.0.1:11440`; IPv6 addresses in brackets. */
export function urlOf({ host, port }: Address): string {
  const name = REACHED_AT[host] ?? host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

export async function isHearth(address: Address): Promise<boolean> {
  try {
    const response = await fetch(urlOf(address), { signal: AbortSignal.timeout(LIMIT_MS) });
    const text = await response.text();
    return text.startsWith(GREETING);
  } catch {
    // Nothing answers, or nothing that speaks HTTP.
    return false;
  }
}

/** The first of the addresses at which Hearth answers. */
export async function findServer(
  hosts: readonly string[],
  port: number,
): Promise<string | undefined> {
  for (const host of hosts) if (await isHearth({ host, port })) return urlOf({ host, port });
  return undefined;
}
