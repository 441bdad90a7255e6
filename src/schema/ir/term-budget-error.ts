/** A schema whose parts multiply past what is compiled. */
export class TermBudgetError extends Error {
  override name = 'TermBudgetError';

  constructor(limit: number) {
    super(`the schema takes apart into more than ${limit} parts`);
  }
}
