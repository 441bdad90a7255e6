/**
 * Makes text of the bytes of tokens: whole characters only, and never a stop string or the start
 * of one.
 *
 * A token may end inside a character and a stop string may begin in one token and end in another,
 * so both are held back until they are settled. The answer ends before the stop string that is
 * *complete* first, which is what a reader of single characters would see; of two that are complete
 * with the same character the longer one counts. So the result does not depend on token borders.
 *
 * Shapes  `push` returns the text that is settled now, '' when there is none yet.
 * Errors  none: bytes that are no UTF-8 become U+FFFD, as the WHATWG decoder does it.
 * Cost    linear in the answer, times the number of stop strings: one Knuth-Morris-Pratt automaton
 *         each, whose state is also the number of characters to hold back.
 * Source  https://encoding.spec.whatwg.org/#utf-8-decoder; OpenAI: "The returned text will not
 *         contain the stop sequence".
 */
import { bordersOf } from './borders.ts';

export interface Settled {
  readonly text: string;
  /** The stop string that ended the answer. Nothing is returned after it. */
  readonly stop?: string;
}

interface Matcher {
  readonly stop: string;
  /** At i: length of the longest proper border of the first i + 1 units. */
  readonly borders: Int32Array;
  /** How many units of `stop` the text ends with. */
  matched: number;
}

const NOTHING: Settled = { text: '' };

export class TextAssembler {
  // A byte order mark inside an answer is a character like any other.
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #matchers: readonly Matcher[];
  #held = '';
  #isStopped = false;

  /** Empty stop strings are left out: they would end every answer before it begins. */
  constructor(stops: readonly string[]) {
    this.#matchers = stops
      .filter((stop) => stop !== '')
      .map((stop) => ({ stop, borders: bordersOf(stop), matched: 0 }));
  }

  push(bytes: Uint8Array): Settled {
    if (this.#isStopped) return NOTHING;
    return this.#settle(this.#decoder.decode(bytes, { stream: true }));
  }

  /** What was held back, for an answer that ends for another reason. Later calls return ''. */
  flush(): string {
    if (this.#isStopped) return '';
    const last = this.#settle(this.#decoder.decode());
    this.#isStopped = true;
    return last.stop === undefined ? last.text + this.#held : last.text;
  }

  #settle(text: string): Settled {
    if (this.#matchers.length === 0) return { text };
    const all = this.#held + text;
    for (let index = this.#held.length; index < all.length; index++) {
      const stop = this.#advance(all.charCodeAt(index));
      if (stop !== undefined) {
        this.#isStopped = true;
        return { text: all.slice(0, index + 1 - stop.length), stop };
      }
    }
    let open = 0;
    for (const { matched } of this.#matchers) open = Math.max(open, matched);
    const settled = all.length - open;
    this.#held = all.slice(settled);
    return { text: all.slice(0, settled) };
  }

  /** Returns the longest stop string that this unit completes. */
  #advance(unit: number): string | undefined {
    let complete: string | undefined;
    for (const matcher of this.#matchers) {
      const { stop, borders } = matcher;
      let matched = matcher.matched;
      while (matched > 0 && stop.charCodeAt(matched) !== unit) matched = borders[matched - 1] ?? 0;
      if (stop.charCodeAt(matched) === unit) matched++;
      matcher.matched = matched;
      if (matched === stop.length && stop.length > (complete?.length ?? 0)) complete = stop;
    }
    return complete;
  }
}
