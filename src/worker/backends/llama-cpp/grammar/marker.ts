/**
 * Finds the end of a text in the bytes of an answer, over token borders. Pure.
 *
 * The native grammar goes on by whole tokens, so it must begin with one. `crossing` are the tokens that
 * must not be chosen for it: the text would be complete inside of them. The model then writes the same
 * in two tokens, the second of them under the grammar.
 *
 * Cost    as many steps as the tokens have bytes that hold the last byte of the text, for each length of
 *         it that is matched on the way.
 */
import { bordersOf } from '../../../text/borders.ts';
import type { Spelling } from './spelling.ts';

export class Marker {
  readonly #spelling: Spelling;
  /** A character for each byte. */
  readonly #text: string;
  readonly #borders: Int32Array;
  readonly #candidates: readonly number[];
  /** By length that is matched. */
  readonly #crossing = new Map<number, readonly number[]>();
  #matched = 0;

  constructor(text: string, spelling: Spelling) {
    this.#spelling = spelling;
    this.#text = Buffer.from(text).toString('latin1');
    this.#borders = bordersOf(this.#text);
    this.#candidates = spelling.holding(this.#text.charCodeAt(this.#text.length - 1));
  }

  /** The same list as long as as much is matched. */
  get crossing(): readonly number[] {
    let ids = this.#crossing.get(this.#matched);
    if (ids === undefined) {
      ids = this.#candidates.filter((id) => {
        const bytes = this.#spelling.bytes(id);
        return this.#walk(this.#matched, bytes).end < bytes.length;
      });
      this.#crossing.set(this.#matched, ids);
    }
    return ids;
  }

  /** True when the text ends with this token. */
  accept(id: number): boolean {
    const { matched } = this.#walk(this.#matched, this.#spelling.bytes(id));
    this.#matched = matched;
    return matched === this.#text.length;
  }

  /** `end`: how many bytes were read when the text was complete, or all of them. */
  #walk(from: number, bytes: Uint8Array): { readonly matched: number; readonly end: number } {
    const text = this.#text;
    let matched = from;
    for (const [index, byte] of bytes.entries()) {
      while (matched > 0 && text.charCodeAt(matched) !== byte) {
        matched = this.#borders[matched - 1] ?? 0;
      }
      if (text.charCodeAt(matched) === byte) matched++;
      if (matched === text.length) return { matched, end: index + 1 };
    }
    return { matched, end: bytes.length };
  }
}
