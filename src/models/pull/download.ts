/**
 * Fetches one file into a part file, over several connections, until it is whole and its hash is right.
 *
 *   asking ──206──▶ ranges over all connections ──▶ whole ──▶ hashed ──▶ done
 *      └───200────▶ one stream from the start  ────▶  ┘         │
 *      ▲                                                        │ another hash, and a part of it was old
 *      └────── nothing of it counts: it changed on the server ◀─┘
 *
 * The first answer decides how the rest is fetched, so the other connections wait for it. Where the hub sent
 * it to is kept and asked directly, until that refuses: such addresses are signed and go stale. A connection that
 * gets nowhere is given up; the last one that does so ends the whole.
 *
 * Units   bytes, ms.
 * Errors  PullError; the signal's reason when it was aborted. The part file stays, unless its content is
 *         wrong.
 */
import type { IncomingMessage } from 'node:http';

import type { Clock } from '../../core/clock.ts';
import { type Digests, Hasher } from './hasher.ts';
import { explainStatus, type HubFile, notData, reachable } from './hub.ts';
import type { HubClient } from './hub-client.ts';
import { discardPart, PartFile, type PartPaths } from './part-file.ts';
import { PullError, TransferError } from './pull-error.ts';
import { type Range, RangePlan } from './ranges.ts';
import { ReceiveError, receive } from './receive.ts';
import type { Reference } from './reference.ts';
import { backOffMs, pause, type RetryPolicy } from './retry.ts';

export interface Tuning {
  readonly connections: number;
  /** Of one request for a range. */
  readonly minRangeBytes: number;
  readonly maxRangeBytes: number;
  readonly silenceMs: number;
  readonly retry: RetryPolicy;
}

export const TUNING: Tuning = {
  connections: 4,
  minRangeBytes: 4 * 2 ** 20,
  maxRangeBytes: 64 * 2 ** 20,
  silenceMs: 30_000,
  retry: { attempts: 6, firstMs: 500, maxMs: 20_000 },
};

export interface DownloadTask {
  readonly client: HubClient;
  readonly reference: Reference;
  readonly url: URL;
  readonly file: HubFile;
  readonly paths: PartPaths;
  readonly tuning: Tuning;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How much of it is there. May fall, when it starts over. */
  readonly onBytes: (doneBytes: number) => void;
  /** One line for people. */
  readonly onNote: (message: string) => void;
}

const STARTS_MAX = 3;
const MAGIC = 'GGUF';
/** Where the store no longer takes the address that the hub gave. */
const STALE: ReadonlySet<number> = new Set([400, 401, 403, 404, 410]);

/** What is on the server is not what it was. */
class ChangedError extends Error {}

/** What comes is no model, whatever the list says. */
class WrongContentError extends PullError {}

/** Resolves when the file is whole, right and on the disk, still under its name of a part. */
export async function download(task: DownloadTask): Promise<Digests> {
  const { file, paths, signal, client } = task;
  const identity = file.sha256 ? `sha256:${file.sha256}` : `git:${file.gitHash}`;
  const part = await PartFile.open(paths, { bytes: file.bytes, identity });
  try {
    for (let starts = 1; ; starts++) {
      const resumedBytes = part.doneBytes;
      task.onBytes(resumedBytes);
      try {
        return await reachable(client, () => fetchOnce(task, part));
      } catch (error) {
        signal.throwIfAborted();
        const isOver = starts >= STARTS_MAX;
        if (error instanceof WrongHashError) {
          await part.reset();
          if (resumedBytes === 0 || isOver) throw wrongHash(task, error.found);
          task.onNote(`${file.path}: what was there of it was damaged; fetching it again`);
        } else if (error instanceof ChangedError) {
          await part.reset();
          if (isOver) {
            throw new PullError(
              'broken',
              `${file.path} keeps changing on the server (${error.message}). Try again later.`,
            );
          }
          task.onNote(`${file.path} changed on the server (${error.message}); fetching it again`);
        } else {
          if (error instanceof WrongContentError) await part.reset();
          throw error;
        }
      }
    }
  } finally {
    const isEmpty = part.doneBytes === 0 && file.bytes > 0;
    await part.close();
    if (isEmpty) await discardPart(paths);
  }
}

async function fetchOnce(task: DownloadTask, part: PartFile): Promise<Digests> {
  const { path, bytes } = part;
  const hasher = new Hasher({ path, bytes, isGit: task.file.sha256 === undefined });
  try {
    if (part.missing().length > 0) await new Transfer(task, part, hasher).run();
    await part.sync();
    const digests = await hasher.digest();
    const { sha256, gitHash } = task.file;
    const [found, wanted] =
      sha256 === undefined ? [digests.gitHash, gitHash] : [digests.sha256, sha256];
    if (found !== wanted) throw new WrongHashError(found ?? '');
    return digests;
  } finally {
    await hasher.close();
  }
}

class WrongHashError extends Error {
  readonly found: string;
  constructor(found: string) {
    super(found);
    this.found = found;
  }
}

function wrongHash({ file, client }: DownloadTask, found: string): PullError {
  const expected = file.sha256 ?? file.gitHash ?? '';
  return new PullError(
    'broken',
    `${file.path} from ${client.endpoint.host} has the hash ${found.slice(0, 12)}…, not ${expected.slice(0, 12)}… as the hub says. Nothing of it was kept; try again, or another hub.`,
  );
}

/** All connections of one go at one file. */
class Transfer {
  readonly #task: DownloadTask;
  readonly #part: PartFile;
  readonly #hasher: Hasher;
  readonly #plan: RangePlan;
  /** Ends all connections when one of them meets what ends the whole. */
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #opened = Promise.withResolvers<boolean>();
  #alive = 1;
  /** Behind the redirects of the hub. */
  #direct: URL | undefined;
  #etag: string | undefined;
  /** No connection asks for anything before. */
  #notBeforeMs = 0;

  constructor(task: DownloadTask, part: PartFile, hasher: Hasher) {
    const { connections, minRangeBytes: minBytes, maxRangeBytes: maxBytes } = task.tuning;
    this.#task = task;
    this.#part = part;
    this.#hasher = hasher;
    this.#plan = new RangePlan(part.missing(), { connections, minBytes, maxBytes });
    this.#signal = AbortSignal.any([task.signal, this.#stop.signal]);
  }

  async run(): Promise<void> {
    this.#hasher.advance(this.#part.prefix);
    const first = this.#guarded(this.#connection());
    first.finally(() => this.#opened.resolve(false)).catch(() => {});
    const connections = [first];
    if (await this.#opened.promise) {
      for (let number = 1; number < this.#task.tuning.connections; number++) {
        this.#alive += 1;
        connections.push(this.#guarded(this.#connection()));
      }
    }
    // Until the last one has let go of the part file.
    const outcomes = await Promise.allSettled(connections);
    this.#task.signal.throwIfAborted();
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #guarded(connection: Promise<void>): Promise<void> {
    try {
      await connection;
    } catch (error) {
      this.#stop.abort(error);
      throw error;
    }
  }

  /** Takes ranges until there are none. */
  async #connection(): Promise<void> {
    let failures = 0;
    try {
      for (let range = this.#plan.take(); range !== undefined; range = this.#plan.take()) {
        const reached = await this.#tryFetch(range);
        if (reached.error === undefined) {
          failures = 0;
          continue;
        }
        this.#plan.giveBack({ start: reached.writtenTo, end: range.end });
        failures = reached.writtenTo > range.start ? 0 : failures + 1;
        await this.#afterFailure(reached.error, failures);
        if (failures >= this.#task.tuning.retry.attempts) {
          // Perhaps the server takes fewer connections than we make.
          if (this.#alive > 1) return;
          throw reached.error;
        }
      }
    } finally {
      this.#alive -= 1;
    }
  }

  async #tryFetch(range: Range): Promise<{ writtenTo: number; error?: TransferError }> {
    try {
      await this.#fetch(range);
      return { writtenTo: range.end };
    } catch (reason) {
      this.#signal.throwIfAborted();
      const error = reason instanceof ReceiveError ? reason.cause : reason;
      if (!(error instanceof TransferError)) throw explainDisk(error, this.#task);
      return { writtenTo: reason instanceof ReceiveError ? reason.writtenTo : range.start, error };
    }
  }

  async #afterFailure(error: TransferError, failures: number): Promise<void> {
    const { retry } = this.#task.tuning;
    if (failures >= retry.attempts) return;
    const { clock, onNote, file } = this.#task;
    if (error.afterMs !== undefined && clock.nowMs() + error.afterMs > this.#notBeforeMs) {
      this.#notBeforeMs = clock.nowMs() + error.afterMs;
      onNote(`${error.message}; waiting ${Math.ceil(error.afterMs / 1000)} s`);
    } else if (failures === 2) onNote(`${file.path}: ${error.message}; trying again`);
    const backOff = failures === 0 ? 0 : backOffMs(retry, failures, Math.random());
    const ms = Math.max(backOff, this.#notBeforeMs - clock.nowMs());
    if (ms > 0) await pause(ms, this.#signal);
  }

  async #fetch(range: Range): Promise<void> {
    const { client, url: hubUrl } = this.#task;
    const direct = this.#direct;
    const { response, url } = await client.get(direct ?? hubUrl, {
      headers: { range: `bytes=${range.start}-${range.end - 1}` },
      signal: this.#signal,
    });
    const { statusCode: status = 0 } = response;
    if (status !== 200 && status !== 206) {
      if (direct !== undefined && STALE.has(status)) {
        response.destroy();
        if (this.#direct === direct) this.#direct = undefined;
        return this.#fetch(range);
      }
      if (url.origin !== client.endpoint.origin && STALE.has(status)) {
        // The hub has let us in; what its store says of that is no last word.
        response.destroy();
        throw new TransferError(`${url.host} refused what the hub sent to it (${status})`);
      }
      throw await explainStatus(response, this.#task);
    }
    try {
      this.#assertData(response);
      this.#assertSame(response, range, status);
    } catch (error) {
      response.destroy();
      throw error;
    }
    this.#direct = url;
    if (status === 200) return this.#whole(response, range);
    this.#opened.resolve(true);
    await this.#receive(response, range);
  }

  /** The server gives the whole or nothing: each go begins at the first byte. */
  async #whole(response: IncomingMessage, range: Range): Promise<void> {
    this.#opened.resolve(false);
    const whole = { start: 0, end: this.#part.bytes };
    try {
      await this.#receive(response, whole);
    } catch (error) {
      // However far it came: that is no way to go on from.
      if (error instanceof ReceiveError) throw new ReceiveError(range.start, error.cause);
      throw error;
    }
    // With it came all that was left to take.
    while (this.#plan.take() !== undefined);
  }

  #receive(response: IncomingMessage, range: Range): Promise<void> {
    const { tuning, onBytes, file, client } = this.#task;
    return receive(response, range, {
      part: this.#part,
      silenceMs: tuning.silenceMs,
      look: (head) => {
        if (range.start === 0 && /\.gguf$/i.test(file.path)) assertMagic(head, file, client);
      },
      onWritten: () => {
        onBytes(this.#part.doneBytes);
        this.#hasher.advance(this.#part.prefix);
      },
    });
  }

  /** A page for people instead of the file. */
  #assertData(response: IncomingMessage): void {
    const type = response.headers['content-type'] ?? '';
    if (/^text\/html\b/i.test(type)) throw notData(this.#task.client.endpoint.host);
  }

  /** It is the file that the hub has listed, and the one that the last answer was of. */
  #assertSame({ headers }: IncomingMessage, range: Range, status: number): void {
    const { bytes } = this.#part;
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers['content-range'] ?? '') ?? [];
    if (status === 206 && Number(start) !== range.start) {
      throw new PullError(
        'broken',
        `${this.#task.file.path}: the server sent another range than was asked for. Try again, or another hub.`,
      );
    }
    const length = status === 206 ? total : headers['content-length'];
    if (length !== undefined && Number(length) !== bytes) {
      throw new ChangedError(`it has ${length} bytes there, not ${bytes}`);
    }
    const { etag } = headers;
    if (etag === undefined || etag.startsWith('W/')) return;
    if (this.#etag !== undefined && this.#etag !== etag) throw new ChangedError('another ETag');
    this.#etag = etag;
  }
}

function assertMagic(head: Buffer, { path }: HubFile, { endpoint }: HubClient): void {
  if (head.toString('latin1') === MAGIC) return;
  throw new WrongContentError(
    'broken',
    `${path} from ${endpoint.host} is no GGUF file: it begins with ${JSON.stringify(head.toString('latin1').replaceAll(/[^\x20-\x7e]/g, '.'))}. Nothing of it was kept.`,
  );
}

function explainDisk(error: unknown, { file }: DownloadTask): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new PullError(
    'disk_full',
    `The disk is full while ${file.path} is fetched. Make room and run it again; what is there is kept.`,
    { cause: error },
  );
}
