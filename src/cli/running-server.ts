/** Finds a Hearth server that runs on this machine. */

/** A server on loopback that does not say a word by then is none. */
const LIMIT_MS = 2_000;
const GREETING = 'Hearth is running';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `http://127.0.0.1:11440`; IPv6 addresses in brackets. */
export function urlOf({ host, port }: Address): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
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
