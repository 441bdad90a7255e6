/**
 * The bytes of all tokens side by side, and which tokens may not come next under a grammar.
 *
 * Banned for good are tokens that the reader and the grammar see differently: control tokens, which a
 * grammar takes for the characters of their names and the reader does not see at all; bytes that are
 * never part of valid UTF-8; and U+0000, at which the native side ends a token.
 *
 * Shapes  token ids index the vocabulary; lists of ids ascend and must not be changed.
 * Cost    once for a model, in slices between which others run; then the bytes of all tokens are kept,
 *         four bytes more for each, and the lists.
 * Source  llama.cpp `llama_grammar_apply_impl`, `decode_utf8`.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

import { toPiece, UTF8_STATES, type Utf8State, WHOLE } from './utf8.ts';

export interface SpellingSource {
  readonly size: number;
  /** What the reader sees; empty for control tokens. */
  spell(id: number): Uint8Array;
  isEndOfGeneration(id: number): boolean;
}

/** Of an end that comes inside a character: ban the ends, or the tokens after which it could come. */
export type EndGuard = 'ends' | 'straddling';

/** Some milliseconds of work. */
const SLICE_TOKENS = 2_000;
const CONTINUATION = { low: 0x80, high: 0xbf };

export class Spelling {
  readonly #flat: Uint8Array;
  /** Token i is `flat[offsets[i], offsets[i + 1])`. */
  readonly #offsets: Uint32Array;
  readonly #never: readonly number[];
  readonly #straddling: readonly number[];
  readonly #ends: readonly number[];
  readonly #endSet: ReadonlySet<number>;
  readonly #bans = new Map<string, readonly number[]>();

  static async read(source: SpellingSource): Promise<Spelling> {
    const spelling = new SpellingReader(source);
    while (spelling.readSlice(SLICE_TOKENS)) await nextTurn();
    return new Spelling(spelling);
  }

  private constructor(reader: SpellingReader) {
    this.#flat = reader.flat.slice(0, reader.offsets.at(-1));
    this.#offsets = reader.offsets;
    this.#never = reader.never;
    this.#straddling = reader.straddling;
    this.#ends = reader.ends;
    this.#endSet = new Set(reader.ends);
  }

  bytes(id: number): Uint8Array {
    return this.#flat.subarray(this.#offsets[id], this.#offsets[id + 1]);
  }

  /** The same list as long as the state is the same. */
  bans(state: Utf8State, guard: EndGuard): readonly number[] {
    const key = `${guard} ${UTF8_STATES.indexOf(state)}`;
    let bans = this.#bans.get(key);
    if (bans === undefined) {
      bans = this.#findBans(state, guard);
      this.#bans.set(key, bans);
    }
    return bans;
  }

  isEnd(id: number): boolean {
    return this.#endSet.has(id);
  }

  /** The fewest tokens that spell these bytes; undefined when none do. */
  tokensOf(bytes: Uint8Array): number[] | undefined {
    /** From each place on: the last token of the shortest way there, and how long that is. */
    const ways: ({ readonly id: number; readonly length: number } | undefined)[] = [];
    const never = new Set(this.#never);
    const tokens = this.#tokensIn(bytes).filter((id) => !never.has(id));
    for (let at = 0; at < bytes.length; at++) {
      const before = at === 0 ? 0 : ways[at]?.length;
      if (before === undefined) continue;
      for (const id of tokens) {
        const token = this.bytes(id);
        const to = at + token.length;
        const isShorter = before + 1 < (ways[to]?.length ?? Number.POSITIVE_INFINITY);
        if (isShorter && startsAt(bytes, at, token)) ways[to] = { id, length: before + 1 };
      }
    }
    const found: number[] = [];
    for (let at = bytes.length; at > 0; at -= this.bytes(found[0]!).length) {
      const way = ways[at];
      if (way === undefined) return undefined;
      found.unshift(way.id);
    }
    return found;
  }

  /** Tokens that stand somewhere in these bytes. */
  #tokensIn(bytes: Uint8Array): number[] {
    const text = Buffer.from(bytes);
    // Most tokens begin with another byte: those are not looked at any longer.
    const firsts = new Set(bytes);
    const ids: number[] = [];
    for (let id = 0; id + 1 < this.#offsets.length; id++) {
      const from = this.#offsets[id]!;
      const length = this.#offsets[id + 1]! - from;
      if (length === 0 || length > bytes.length || !firsts.has(this.#flat[from]!)) continue;
      if (text.includes(this.#flat.subarray(from, from + length))) ids.push(id);
    }
    return ids;
  }

  #findBans(state: Utf8State, guard: EndGuard): readonly number[] {
    const bans = new Set(this.#never);
    if (guard === 'straddling') for (const id of this.#straddling) bans.add(id);
    else if (state !== WHOLE) for (const id of this.#ends) bans.add(id);
    const { low, high } = state;
    if (low > CONTINUATION.low || high < CONTINUATION.high) {
      for (let id = 0; id + 1 < this.#offsets.length; id++) {
        // An empty one is banned anyway.
        const first = this.#flat[this.#offsets[id]!] ?? 0;
        const isContinuation = first >= CONTINUATION.low && first <= CONTINUATION.high;
        if (isContinuation && (first < low || first > high)) bans.add(id);
      }
    }
    return [...bans].sort((a, b) => a - b);
  }
}

function startsAt(bytes: Uint8Array, at: number, token: Uint8Array): boolean {
  return token.every((byte, index) => bytes[at + index] === byte);
}

class SpellingReader {
  readonly #source: SpellingSource;
  readonly offsets: Uint32Array;
  flat = new Uint8Array(1 << 16);
  readonly never: number[] = [];
  readonly straddling: number[] = [];
  readonly ends: number[] = [];
  #next = 0;

  constructor(source: SpellingSource) {
    this.#source = source;
    this.offsets = new Uint32Array(source.size + 1);
  }

  /** False when all tokens were read. */
  readSlice(tokens: number): boolean {
    const to = Math.min(this.#next + tokens, this.#source.size);
    while (this.#next < to) this.#read(this.#next++);
    return to < this.#source.size;
  }

  #read(id: number): void {
    const bytes = this.#source.spell(id);
    this.#append(id, bytes);
    if (this.#source.isEndOfGeneration(id)) {
      this.ends.push(id);
      return;
    }
    const { isPossible, isStraddling } = toPiece(bytes);
    if (bytes.length === 0 || !isPossible || bytes.includes(0)) this.never.push(id);
    else if (isStraddling) this.straddling.push(id);
  }

  #append(id: number, bytes: Uint8Array): void {
    const from = this.offsets[id]!;
    const to = from + bytes.length;
    if (to > this.flat.length) {
      const larger = new Uint8Array(Math.max(to, this.flat.length * 2));
      larger.set(this.flat);
      this.flat = larger;
    }
    this.flat.set(bytes, from);
    this.offsets[id + 1] = to;
  }
}
