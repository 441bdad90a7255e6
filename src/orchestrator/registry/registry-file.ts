/**
 * The file of the registry, `workers.json`: what it looks like, how it is read and written.
 *
 * Two lines: a head with the version and the SHA-256 of the second line, and the entries. It is written
 * beside itself and renamed, so that a reader finds the old one or the new one, never a part of one.
 *
 * Errors  reading never throws: a file that cannot be trusted is `damaged`, with the reason.
 */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

const VERSION = 1;

const Entry = z.strictObject({
  /** `<model>-<n>`: what commands take and show. */
  id: z.string(),
  model: z.string(),
  /** In the command line of the process, and of no other. */
  runId: z.string().min(8),
  /** Of the server that started it. */
  owner: z.string(),
  /** ms since the epoch. */
  spawnedMs: z.number(),
  /** Undefined between the entry and the spawn, and where the spawn failed. The group has its number. */
  pid: z.int().positive().optional(),
  startTime: z.string().optional(),
});
export type WorkerEntry = z.output<typeof Entry>;

const Head = z.object({ version: z.number(), sha256: z.string() });

export type RegistryRead =
  | { readonly kind: 'absent' }
  | { readonly kind: 'good'; readonly entries: readonly WorkerEntry[] }
  | { readonly kind: 'damaged'; readonly reason: string };

export function registryPath(stateDir: string): string {
  return join(stateDir, 'workers.json');
}

export function readRegistry(stateDir: string): RegistryRead {
  let text: string;
  try {
    text = readFileSync(registryPath(stateDir), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'absent' };
    return { kind: 'damaged', reason: (error as Error).message };
  }
  return parseRegistry(text);
}

export function parseRegistry(text: string): RegistryRead {
  const [first = '', second = ''] = text.split('\n');
  const head = Head.safeParse(toJson(first));
  if (!head.success) return { kind: 'damaged', reason: 'its first line is no head' };
  if (head.data.version !== VERSION) {
    return { kind: 'damaged', reason: `it is of version ${head.data.version}, not ${VERSION}` };
  }
  if (head.data.sha256 !== sha256(second)) {
    return { kind: 'damaged', reason: 'its checksum is not that of its entries' };
  }
  const entries = z.array(Entry).safeParse(toJson(second));
  if (!entries.success) return { kind: 'damaged', reason: 'its entries have another form' };
  return { kind: 'good', entries: entries.data };
}

export function formatRegistry(entries: readonly WorkerEntry[]): string {
  const body = JSON.stringify(entries);
  return `${JSON.stringify({ version: VERSION, sha256: sha256(body) })}\n${body}\n`;
}

/** Throws what the system says. */
export function writeRegistry(stateDir: string, entries: readonly WorkerEntry[]): void {
  const path = registryPath(stateDir);
  const temporary = `${path}.new`;
  try {
    writeFileSync(temporary, formatRegistry(entries), { mode: 0o600 });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Where it went. Throws what the system says. */
export function setAside(stateDir: string, atMs: number): string {
  const path = registryPath(stateDir);
  const aside = `${path}.${new Date(atMs).toISOString().replaceAll(/[:.]/g, '-')}`;
  renameSync(path, aside);
  return aside;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
