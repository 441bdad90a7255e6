/**
 * `npm run bench -- payload`: bytes from one process to another over a channel: in parts and through the arena,
 * against base64 in a JSON message of the same channel. From the call of `send` to the answer that all of it is there
 * as bytes again.
 *
 * Bars    1 MB as it goes by default, in parts: at least 5 × as fast as base64. The arena and the larger sizes are
 *         reported: they say from where on it is worth its while (`ARENA_FROM_BYTES`).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Channel } from '../src/ipc/channel.ts';
import { type Blob, type Receipt, SENDER } from './lib/blobs.ts';
import type { BenchOptions } from './lib/options.ts';
import { Report } from './lib/report.ts';
import { pairedRatio, showSpread, spreadOf } from './lib/stats.ts';

const BYTES = 1_000_000;
/** Of which base64 would not fit into a frame. */
const LARGER_BYTES = [4_000_000, 16_000_000];
const TIMES_PER_ROUND = 40;
const WARM_UP_ROUNDS = 2;
const LIMIT = 5;
const WAYS = ['base64', 'parts', 'arena'] as const;
type Way = (typeof WAYS)[number];

export async function runPayload({ rounds, signal }: BenchOptions): Promise<number> {
  const report = new Report('payload', 'Bytes from one process to another');
  report.note(
    `Random bytes, ${TIMES_PER_ROUND} times in each of ${rounds} rounds, the ways in turns; medians of the rounds' medians (range in brackets).`,
  );
  // Beside the folder that servers use: in memory where there is such a place.
  const parent = mkdtempSync(join(process.platform === 'linux' ? '/dev/shm' : tmpdir(), 'hearth-'));
  const fallbacks: string[] = [];
  const receivers = {
    plain: new Receiver(signal),
    shared: new Receiver(signal, join(parent, 'arena'), (why) => fallbacks.push(why)),
  };
  const rows: string[][] = [];
  try {
    const megabyte = await compare(receivers, WAYS, { bytes: BYTES, rounds });
    for (const way of WAYS) {
      const ratio = pairedRatio(megabyte.base64!, megabyte[way]!);
      rows.push(['1', way, showSpread(spreadOf(megabyte[way]!), 2), showSpread(ratio, 2)]);
    }
    const { median } = pairedRatio(megabyte.base64!, megabyte.parts!);
    report.bar({
      name: '1 MB in parts, against base64',
      value: median,
      limit: LIMIT,
      rule: 'at least',
      unit: ' ×',
    });
    report.data('megabyte', megabyte);
    for (const bytes of LARGER_BYTES) {
      const larger = await compare(receivers, ['parts', 'arena'], { bytes, rounds });
      for (const way of ['parts', 'arena'] as const) {
        rows.push([String(bytes / 1e6), way, showSpread(spreadOf(larger[way]!), 2), '']);
      }
      report.data(`${bytes} bytes`, larger);
    }
  } finally {
    await Promise.all([receivers.plain.end(), receivers.shared.end()]);
    rmSync(parent, { recursive: true, force: true });
  }
  if (fallbacks.length > 0) throw new Error(`the arena was not used: ${fallbacks[0]}`);
  report.table(['MB', 'way', 'ms', 'times as fast as base64'], rows);
  return report.finish();
}

/** Medians of each round, by way. */
async function compare(
  { plain, shared }: { readonly plain: Receiver; readonly shared: Receiver },
  ways: readonly Way[],
  { bytes, rounds }: { readonly bytes: number; readonly rounds: number },
): Promise<Partial<Record<Way, number[]>>> {
  const medians: Partial<Record<Way, number[]>> = {};
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    for (const way of ways) {
      const median = await take(way === 'arena' ? shared : plain, way, bytes);
      if (round >= 0) medians[way] = [...(medians[way] ?? []), median];
    }
  }
  return medians;
}

async function take(receiver: Receiver, way: Way, count: number): Promise<number> {
  const times: number[] = [];
  const bytes = randomBytes(count);
  for (let time = 0; time < TIMES_PER_ROUND; time++) {
    times.push(await receiver.send(bytes, way === 'base64'));
  }
  return spreadOf(times).median;
}

class Receiver {
  readonly #child: ChildProcess;
  readonly #channel: Channel<Blob, Receipt>;
  #call = 0;
  #onReceipt: PromiseWithResolvers<Receipt> | undefined;

  constructor(signal: AbortSignal, arenaFolder?: string, onFallback?: (why: string) => void) {
    const program = fileURLToPath(new URL('payload-receiver.ts', import.meta.url));
    this.#child = spawn(process.execPath, [program], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
      signal,
    });
    this.#child.once('error', (error) => this.#onReceipt?.reject(error));
    this.#channel = new Channel(
      this.#child.stdio[3] as Socket,
      SENDER,
      {
        onMessage: (receipt) => this.#onReceipt?.resolve(receipt),
        onClose: (error) =>
          this.#onReceipt?.reject(error ?? new Error('the other process has ended')),
      },
      { arenaFolder, arenaFromBytes: 0, onFallback: ({ why }) => onFallback?.(why) },
    );
  }

  /** Milliseconds until it was there. */
  async send(bytes: Buffer, isBase64: boolean): Promise<number> {
    const call = ++this.#call;
    this.#onReceipt = Promise.withResolvers();
    const startedMs = performance.now();
    this.#channel.send({ call, bytes, isBase64 });
    const receipt = await this.#onReceipt.promise;
    const tookMs = performance.now() - startedMs;
    const sample = bytes[call % bytes.length];
    if (receipt.call !== call || receipt.bytes !== bytes.length || receipt.sample !== sample) {
      throw new Error('what came back is not what was sent');
    }
    return tookMs;
  }

  async end(): Promise<void> {
    const exited = this.#child.exitCode === null ? once(this.#child, 'exit') : undefined;
    this.#onReceipt = undefined;
    this.#channel.destroy();
    await exited;
  }
}
