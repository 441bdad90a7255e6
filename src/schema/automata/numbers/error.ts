/** A set of numbers that is not described: one line that says why. */
export class NumberError extends Error {
  override readonly name = 'NumberError';
  readonly why: string;

  constructor(why: string) {
    super(`The set of numbers cannot be enforced: ${why}.`);
    this.why = why;
  }
}
