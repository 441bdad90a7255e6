/**
 * What a grammar asks of the tokens of one sequence, beside what llama.cpp's grammar does itself.
 *
 *   free ──the text that it waits for has ended──▶ bound        without such a text: bound at once
 *
 * Bound, tokens are banned that the reader would see otherwise than the grammar (`spelling.ts`).
 *
 * Free, any token may be chosen. But the native grammar goes on by whole tokens, and so begins with one:
 * a token in which the text ends, and something else begins, is replaced by those that spell the bytes
 * up to the end of the text. The model has said what it wanted to say there, and what comes after is
 * the grammar's to choose. To ban such tokens instead would lead the model away from the text.
 */
import type { Grammar } from '../../../../core/engine.ts';
import { BugError, type HearthError, RequestError } from '../../../../core/errors.ts';
import { Marker } from './marker.ts';
import type { EndGuard, Spelling } from './spelling.ts';
import { advanceUtf8, WHOLE } from './utf8.ts';

const NONE: readonly number[] = [];

export class Constraint {
  readonly grammar: Grammar;
  readonly #spelling: Spelling;
  #marker: Marker | undefined;
  /** Stand in the answer next, whatever is chosen. */
  #replaced: number[] = [];
  #utf8 = WHOLE;

  constructor(grammar: Grammar, spelling: Spelling) {
    this.grammar = grammar;
    this.#spelling = spelling;
    if (grammar.after !== undefined) this.#marker = new Marker(grammar.after);
  }

  /** The next token is the grammar's. */
  get isBound(): boolean {
    return this.#marker === undefined;
  }

  /** Must not be chosen next. The same list as long as nothing has changed. */
  bans(guard: EndGuard): readonly number[] {
    return this.isBound ? this.#spelling.bans(this.#utf8, guard) : NONE;
  }

  /** Takes the token that was chosen; returns the one that stands in the answer. */
  settle(chosen: number): number | HearthError {
    const id = this.#replaced.shift() ?? chosen;
    if (this.#spelling.isEnd(id)) return id;
    const bytes = this.#spelling.bytes(id);
    return this.#marker === undefined
      ? this.#bound(id, bytes)
      : this.#free(id, bytes, this.#marker);
  }

  #bound(id: number, bytes: Uint8Array): number | HearthError {
    const next = advanceUtf8(this.#utf8, bytes);
    if (next === undefined) return new BugError(`Token ${id} makes the answer invalid UTF-8`);
    this.#utf8 = next;
    return id;
  }

  #free(id: number, bytes: Uint8Array, marker: Marker): number | HearthError {
    const end = marker.endIn(bytes);
    if (end !== undefined && end < bytes.length) {
      const replaced = this.#spelling.tokensOf(bytes.subarray(0, end));
      if (replaced === undefined) return cannotWrite(this.grammar);
      this.#replaced = replaced;
      return this.settle(id);
    }
    if (end === undefined) marker.push(bytes);
    else this.#marker = undefined;
    return id;
  }
}

function cannotWrite({ after }: Grammar): RequestError {
  return new RequestError(
    'unsupported_parameter',
    `The vocabulary of this model cannot write ${JSON.stringify(after)} without what follows it. Leave response_format out, or choose another model.`,
    { param: 'response_format' },
  );
}
