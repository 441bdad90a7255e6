/** Finds the first end of a text in the bytes of an answer, over token borders. Pure. */
import { bordersOf } from '../../../text/borders.ts';

export class Marker {
  /** A character for each byte. */
  readonly #text: string;
  readonly #borders: Int32Array;
  #matched = 0;

  constructor(text: string) {
    this.#text = Buffer.from(text).toString('latin1');
    this.#borders = bordersOf(this.#text);
  }

  /** How many of these bytes there are up to the end of the text; undefined when it does not end there. */
  endIn(bytes: Uint8Array): number | undefined {
    return this.#walk(bytes).end;
  }

  push(bytes: Uint8Array): void {
    this.#matched = this.#walk(bytes).matched;
  }

  #walk(bytes: Uint8Array): { readonly matched: number; readonly end?: number } {
    const text = this.#text;
    let matched = this.#matched;
    for (const [index, byte] of bytes.entries()) {
      while (matched > 0 && text.charCodeAt(matched) !== byte) {
        matched = this.#borders[matched - 1] ?? 0;
      }
      if (text.charCodeAt(matched) === byte) matched++;
      if (matched === text.length) return { matched, end: index + 1 };
    }
    return { matched };
  }
}
