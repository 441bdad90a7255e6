/**
 * The one error of this folder: a grammar that cannot be read, that the engine would refuse or hang
 * on, or that takes more work than was allowed. The message is one line: what, where, what to do.
 */

export interface Place {
  /** Both count from 1; a column is a code point. */
  readonly line: number;
  readonly column: number;
}

export class GrammarError extends Error {
  override name = 'GrammarError';
  /** Undefined when the whole grammar is meant, not a place in it. */
  readonly place: Place | undefined;

  constructor(what: string, remedy: string, place?: Place) {
    const where = place === undefined ? '' : ` at line ${place.line}, column ${place.column}`;
    super(`${what}${where}: ${remedy}`);
    this.place = place;
  }
}

/** `offset` counts UTF-16 units, as indexes into a string do. */
export function placeOf(text: string, offset: number): Place {
  // Only \n begins a line here: a lone \r ends a rule, and no editor shows it as a line.
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  let line = 1;
  for (let i = before.indexOf('\n'); i !== -1; i = before.indexOf('\n', i + 1)) line++;
  return { line, column: [...before.slice(lineStart)].length + 1 };
}
