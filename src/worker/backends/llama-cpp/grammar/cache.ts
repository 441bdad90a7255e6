/**
 * Grammars that were read before, by the hash of their text: the least recently used one goes first.
 * Pure.
 *
 * Units   characters of GBNF for the size: what the native side makes of it grows with them.
 * Errors  what `read` throws; nothing is kept then.
 */
import type { Grammar } from '../../../../core/engine.ts';

/** Requests come with few different grammars at a time. */
const MAX_ENTRIES = 10;
/** Some tens of bytes of native memory each. */
const MAX_CHARS = 4 * 1024 * 1024;

export class GrammarCache<T> {
  readonly #read: (text: string) => T;
  readonly #maxEntries: number;
  readonly #maxChars: number;
  /** The least recently used in front. */
  readonly #entries = new Map<string, { readonly value: T; readonly chars: number }>();
  #chars = 0;

  constructor(read: (text: string) => T, { maxEntries = MAX_ENTRIES, maxChars = MAX_CHARS } = {}) {
    this.#read = read;
    this.#maxEntries = maxEntries;
    this.#maxChars = maxChars;
  }

  get({ hash, text }: Grammar): T {
    const known = this.#entries.get(hash);
    if (known !== undefined) {
      this.#entries.delete(hash);
      this.#entries.set(hash, known);
      return known.value;
    }
    const value = this.#read(text);
    if (text.length > this.#maxChars) return value;
    this.#entries.set(hash, { value, chars: text.length });
    this.#chars += text.length;
    this.#shrink();
    return value;
  }

  #shrink(): void {
    for (const [hash, { chars }] of this.#entries) {
      if (this.#entries.size <= this.#maxEntries && this.#chars <= this.#maxChars) return;
      this.#entries.delete(hash);
      this.#chars -= chars;
    }
  }
}
