/**
 * What an automaton may cost. Every construction that can grow beyond its input counts the states
 * that it makes and stops with one error, so that a hostile pattern costs a refusal and not a hang.
 *
 * Units   states; there may be 4 times as many nodes of an automaton that is not deterministic yet,
 *         64 times as many edges, 400 times as many elementary steps.
 * Errors  BudgetError, which the caller turns into a refusal (`why: "budget"`).
 */

export const DEFAULT_STATES = 20_000;

const NODES_PER_STATE = 4;
const EDGES_PER_STATE = 64;
const STEPS_PER_STATE = 400;

export class BudgetError extends Error {
  override readonly name = 'BudgetError';
  readonly states: number;

  constructor(what: string, states: number) {
    super(
      `The automaton needs more ${what} than a budget of ${states} states allows; use a simpler pattern or a smaller count.`,
    );
    this.states = states;
  }
}

export function assertStates(count: number, budget: number): void {
  if (count > budget) throw new BudgetError('states', budget);
}

export function assertNodes(count: number, budget: number): void {
  if (count > budget * NODES_PER_STATE) throw new BudgetError('nodes', budget);
}

export function assertEdges(count: number, budget: number): void {
  if (count > budget * EDGES_PER_STATE) throw new BudgetError('edges', budget);
}

export function assertSteps(count: number, budget: number): void {
  if (count > budget * STEPS_PER_STATE) throw new BudgetError('steps', budget);
}
