/**
 * How much each key has used, counted in memory and written to the key file soon after.
 *
 *   clean ──note()──▶ dirty ──within a second, or close()──▶ clean
 *
 * What cannot be written (a full disk) stays in memory and is tried again; requests go on. A process
 * that is killed loses the last second of it.
 *
 * Units   tokens; days of UTC, ms since the epoch.
 * Errors  KeyStoreError from `tokensToday`, when the file cannot be read. What cannot be written is said in
 *         the log, once for each time it begins to fail.
 */
import type { Usage } from '../core/engine.ts';
import { ANYBODY } from '../core/gate.ts';
import type { Log } from '../core/log.ts';
import type { UsageBook } from '../core/usage-book.ts';
import type { KeyFile } from './key-file.ts';
import type { DayUsage } from './key-store.ts';

export const DAY_MS = 86_400_000;
const WRITE_AFTER_MS = 1_000;

export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

interface Counts {
  requests: number;
  promptTokens: number;
  cachedTokens: number;
  generatedTokens: number;
}

export interface UsageLogOptions {
  readonly file: KeyFile;
  /** ms since the epoch. */
  readonly wallMs: () => number;
  readonly log: Log;
}

export class UsageLog implements UsageBook, Disposable {
  readonly #options: UsageLogOptions;
  /** By day and name; not in the file yet. */
  readonly #unwritten = new Map<string, Counts & { readonly name: string; readonly day: number }>();
  /** Of `#day`, what is in the file, as far as we know. */
  #written = new Map<string, number>();
  #day: number | undefined;
  #version: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #hasFailed = false;

  constructor(options: UsageLogOptions) {
    this.#options = options;
  }

  tokensToday(name: string): number {
    const day = dayOf(this.#options.wallMs());
    // Another process may have removed the key, and what it had used with it.
    const version = this.#options.file.store?.version;
    if (day !== this.#day || version !== this.#version) {
      this.#read(day);
      this.#version = version;
    }
    const unwritten = this.#unwritten.get(entryKey(name, day));
    const written = this.#written.get(name) ?? 0;
    return written + (unwritten === undefined ? 0 : tokensOf(unwritten));
  }

  msToNextDay(): number {
    const nowMs = this.#options.wallMs();
    return (dayOf(nowMs) + 1) * DAY_MS - nowMs;
  }

  note(name: string, usage: Usage, requests: 0 | 1): void {
    // Whoever needs no key has no usage, and without a file nobody has a key.
    if (name === ANYBODY.name || this.#options.file.store === undefined) return;
    const day = dayOf(this.#options.wallMs());
    const key = entryKey(name, day);
    const counts = this.#unwritten.get(key) ?? { ...NOTHING, name, day };
    counts.requests += requests;
    counts.promptTokens += usage.promptTokens;
    counts.cachedTokens += usage.cachedTokens;
    counts.generatedTokens += usage.generatedTokens;
    this.#unwritten.set(key, counts);
    this.#timer ??= setTimeout(() => this.#write(), WRITE_AFTER_MS);
  }

  /** Writes what is left. */
  [Symbol.dispose](): void {
    this.#write();
    clearTimeout(this.#timer);
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#unwritten.size === 0) return;
    const { file, log } = this.#options;
    try {
      file.store?.addUsage(this.#unwritten.values());
    } catch (error) {
      if (!this.#hasFailed) log.error({ err: error }, 'cannot write the usage of keys; it is kept');
      this.#hasFailed = true;
      this.#timer = setTimeout(() => this.#write(), WRITE_AFTER_MS);
      return;
    }
    if (this.#hasFailed) log.info({}, 'the usage of keys is written again');
    this.#hasFailed = false;
    for (const entry of this.#unwritten.values()) {
      if (entry.day !== this.#day) continue;
      this.#written.set(entry.name, (this.#written.get(entry.name) ?? 0) + tokensOf(entry));
    }
    this.#unwritten.clear();
  }

  #read(day: number): void {
    const rows = this.#options.file.store?.usageSince(day) ?? [];
    this.#written = new Map(
      rows.filter((row) => row.day === day).map((row) => [row.name, tokensOf(row)]),
    );
    this.#day = day;
  }
}

const NOTHING: Counts = { requests: 0, promptTokens: 0, cachedTokens: 0, generatedTokens: 0 };

function tokensOf({ promptTokens, generatedTokens }: Counts | DayUsage): number {
  return promptTokens + generatedTokens;
}

function entryKey(name: string, day: number): string {
  return `${day} ${name}`;
}
