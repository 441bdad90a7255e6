/**
 * What a grammar asks of the next token of one sequence, beside what llama.cpp's grammar does itself.
 *
 *   free ──the text that it waits for has ended──▶ bound        without such a text: bound at once
 *
 * Free, the tokens are banned in which that text would end before they do (`marker.ts`). Bound, those
 * that the reader would see otherwise than the grammar (`spelling.ts`, `utf8.ts`).
 */
import type { Grammar } from '../../../../core/engine.ts';
import { BugError } from '../../../../core/errors.ts';
import { Marker } from './marker.ts';
import type { EndGuard, Spelling } from './spelling.ts';
import { advanceUtf8, WHOLE } from './utf8.ts';

export class Constraint {
  readonly grammar: Grammar;
  readonly #spelling: Spelling;
  #marker: Marker | undefined;
  #utf8 = WHOLE;

  constructor(grammar: Grammar, spelling: Spelling) {
    this.grammar = grammar;
    this.#spelling = spelling;
    if (grammar.after !== undefined) this.#marker = new Marker(grammar.after, spelling);
  }

  /** The next token is the grammar's. */
  get isBound(): boolean {
    return this.#marker === undefined;
  }

  /** Must not be chosen next. The same list as long as nothing has changed. */
  bans(guard: EndGuard): readonly number[] {
    return this.#marker?.crossing ?? this.#spelling.bans(this.#utf8, guard);
  }

  /** A token that was chosen, other than an end of generation. */
  accept(id: number): void {
    if (this.#marker !== undefined) {
      if (this.#marker.accept(id)) this.#marker = undefined;
      return;
    }
    const next = advanceUtf8(this.#utf8, this.#spelling.bytes(id));
    if (next === undefined) throw new BugError(`Token ${id} makes the answer invalid UTF-8`);
    this.#utf8 = next;
  }
}
