/**
 * A Hearth server as a user starts it: a process, found by the JSON lines it prints.
 *
 *   starting ──"listening" line──▶ started ──stop()──▶ stopped
 *      └ ended before that: rejects with all it wrote
 *
 * Ports are always free ones. `stop` sends SIGTERM and resolves with the exit code.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { EMBER } from '../../src/models/ember.ts';

const launcher = fileURLToPath(new URL('../../bin/hearth.js', import.meta.url));

export interface HearthOptions {
  /** A GGUF file, or a script for the fake backend. Absent: what is served when nobody names one. */
  readonly model?: string | Readonly<Record<string, unknown>>;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What to start instead of the clone's own launcher. */
  readonly program?: string;
}

export interface HearthProcess {
  readonly port: number;
  readonly adminPort: number;
  readonly hosts: readonly string[];
  /** Name of the model that `modelSettled` is about. */
  readonly model: string;
  readonly child: ChildProcess;
  /** Resolves with `ready` or `failed`, once the model is one of them. */
  readonly modelSettled: Promise<{ readonly event: string; readonly reason?: string }>;
  /** The exit code, once it has ended. */
  readonly exited: Promise<number | null>;
  /** Everything written so far, for messages of failed tests. */
  output(): string;
  stop(): Promise<number | null>;
}

export async function startHearth(options: HearthOptions): Promise<HearthProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-server-'));
  const model = options.model === undefined ? EMBER.name : 'test-model';
  let path = options.model;
  if (typeof path === 'object') {
    path = join(folder, 'fake.json');
    writeFileSync(path, JSON.stringify(options.model));
  }
  const child = spawn(
    process.execPath,
    [
      options.program ?? launcher,
      ...['serve', '--json', '--port', '0', '--admin-port', '0'],
      ...(path === undefined ? [] : ['--model', `${model}=${path}`]),
      ...['--state-dir', join(folder, 'state')],
      ...(options.args ?? []),
    ],
    {
      // A configuration of the person who runs the tests must not be found.
      cwd: folder,
      // Nor must its memory matter.
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        TMPDIR: tmpdir(),
        HEARTH_TIER: '32',
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const ended = once(child, 'exit').finally(() => rmSync(folder, { recursive: true, force: true }));
  let written = '';
  child.stderr.on('data', (data) => {
    written += data;
  });

  const events = new Map<string, (event: Listening & Settled) => void>();
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    written += `${line}\n`;
    const event = JSON.parse(line) as Listening & Settled & { readonly event: string };
    // Of what is served beside it, nothing is waited for.
    if (event.model !== undefined && event.model !== model) return;
    events.get(event.event)?.(event);
  });
  const listening = new Promise<Listening>((resolve) => events.set('listening', resolve));
  const modelSettled = new Promise<Settled>((resolve) => {
    events.set('ready', resolve);
    events.set('failed', resolve);
  });

  const first = await Promise.race([listening, ended]);
  if (Array.isArray(first)) throw new Error(`hearth ended with ${first[0]}:\n${written}`);
  const { port, admin_port: adminPort, hosts } = first as Listening;
  return {
    port,
    adminPort,
    hosts,
    model,
    child,
    modelSettled,
    exited: ended.then(([code]) => code as number | null),
    output: () => written,
    async stop() {
      child.kill('SIGTERM');
      const [code] = await ended;
      return code as number | null;
    },
  };
}

interface Listening {
  readonly hosts: readonly string[];
  readonly port: number;
  readonly admin_port: number;
}

interface Settled {
  readonly event: string;
  readonly model?: string;
  readonly reason?: string;
}
