/** How much an array or an object may cost, and what is thrown beyond it. */
export const STATES_MAX = 20_000;

export class ShapeBudgetError extends Error {
  override name = 'ShapeBudgetError';

  constructor(what: string) {
    super(`${what} takes more than ${STATES_MAX} states`);
  }
}
