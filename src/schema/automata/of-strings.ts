/**
 * A finite set of texts. Pure.
 *
 * The texts are sorted by code points and added one by one; what can no longer change is merged
 * with an equal state at once, so that the automaton is minimal all the time and 10⁵ texts take
 * time in proportion to their length.
 *
 * Source  Daciuk, Mihov, Watson and Watson, "Incremental construction of minimal acyclic
 *         finite-state automata", Computational Linguistics 2000.
 * Errors  BudgetError. Texts with a lone surrogate are left out: no text has one.
 */
import { assertStates, DEFAULT_STATES } from './budget.ts';
import { RangeEdges } from './build/range-edges.ts';
import type { Dfa, RawDfa } from './dfa.ts';
import { minimise } from './minimise.ts';

interface Draft {
  isEnd: boolean;
  readonly codes: number[];
  readonly targets: Draft[];
  id: number;
}

export function ofStrings(texts: readonly string[], budget = DEFAULT_STATES): Dfa {
  const sorted = texts
    .filter((text) => text.isWellFormed())
    .map((text) => Array.from(text, (character) => character.codePointAt(0)!))
    .sort(compareCodes);
  const register = new Map<string, Draft>();
  const settle = (draft: Draft): Draft => {
    const key = keyOfDraft(draft);
    const equal = register.get(key);
    if (equal !== undefined) return equal;
    draft.id = register.size;
    register.set(key, draft);
    assertStates(register.size, budget);
    return draft;
  };
  const path: Draft[] = [newDraft()];
  const settleBeyond = (depth: number): void => {
    while (path.length > depth + 1) {
      const child = path.pop()!;
      const parent = path.at(-1)!;
      parent.targets[parent.targets.length - 1] = settle(child);
    }
  };
  let last: readonly number[] = [];
  for (const codes of sorted) {
    const shared = sharedLength(last, codes);
    settleBeyond(shared);
    for (const code of codes.slice(shared)) {
      const child = newDraft();
      path.at(-1)!.codes.push(code);
      path.at(-1)!.targets.push(child);
      path.push(child);
    }
    path.at(-1)!.isEnd = true;
    last = codes;
  }
  settleBeyond(0);
  // Minimal already: this numbers the states.
  return minimise(toRaw(path[0]!), Math.max(budget, register.size));
}

function newDraft(): Draft {
  return { isEnd: false, codes: [], targets: [], id: -1 };
}

function keyOfDraft({ isEnd, codes, targets }: Draft): string {
  let key = isEnd ? '1' : '0';
  for (let at = 0; at < codes.length; at++) key += `,${codes[at]},${targets[at]!.id}`;
  return key;
}

function compareCodes(a: readonly number[], b: readonly number[]): number {
  const at = sharedLength(a, b);
  return (a[at] ?? -1) - (b[at] ?? -1);
}

function sharedLength(a: readonly number[], b: readonly number[]): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}

function toRaw(root: Draft): RawDfa {
  const numbers = new Map<Draft, number>([[root, 0]]);
  const order = [root];
  const accepting: number[] = [];
  const edges = new RangeEdges();
  for (const draft of order) {
    accepting.push(draft.isEnd ? 1 : 0);
    draft.codes.forEach((code, at) => {
      const target = draft.targets[at]!;
      let number = numbers.get(target);
      if (number === undefined) {
        number = order.length;
        numbers.set(target, number);
        order.push(target);
      }
      edges.add(code, code, number);
    });
    edges.endState();
  }
  return edges.finish(Uint8Array.from(accepting));
}
