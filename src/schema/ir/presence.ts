/**
 * Which sets of declared keys an object may have: boolean functions over "the key is present", as reduced
 * ordered decision diagrams, so that equal functions are the same number.
 *
 * `required` is a variable, a forbidden key its negation, `dependentRequired` an implication, `anyOf` of
 * `required`s a disjunction. A printer reads the keys in any order and restricts one after the other.
 *
 * Units   `Presence` is an index into its store; FALSE and TRUE are the same in each.
 * Errors  PresenceBudgetError past `limit` nodes.
 * Source  Bryant, "Graph-Based Algorithms for Boolean Function Manipulation" (1986).
 */
export type Presence = number;
export const FALSE: Presence = 0;
export const TRUE: Presence = 1;

export class PresenceBudgetError extends Error {
  override name = 'PresenceBudgetError';
}

const LEAF_LEVEL = Number.POSITIVE_INFINITY;

export class PresenceStore {
  readonly #limit: number;
  /** Of node i: the key that it asks for, and where it goes on. */
  readonly #level: number[] = [LEAF_LEVEL, LEAF_LEVEL];
  readonly #absent: Presence[] = [FALSE, TRUE];
  readonly #present: Presence[] = [FALSE, TRUE];
  readonly #unique = new Map<string, Presence>();
  readonly #chosen = new Map<string, Presence>();
  readonly #levels = new Map<string, number>();
  readonly #names: string[] = [];

  constructor(limit = 50_000) {
    this.#limit = limit;
  }

  has(name: string): Presence {
    return this.#node(this.#levelOf(name), FALSE, TRUE);
  }

  /** All of `names`. From the last variable to the first, which makes each step one node. */
  all(names: Iterable<string>): Presence {
    const levels = [...new Set([...names].map((name) => this.#levelOf(name)))];
    levels.sort((a, b) => b - a);
    return levels.reduce((rest, level) => this.#node(level, FALSE, rest), TRUE);
  }

  not(a: Presence): Presence {
    return this.choose(a, FALSE, TRUE);
  }

  and(a: Presence, b: Presence): Presence {
    return this.choose(a, b, FALSE);
  }

  or(a: Presence, b: Presence): Presence {
    return this.choose(a, TRUE, b);
  }

  implies(a: Presence, b: Presence): Presence {
    return this.choose(a, b, TRUE);
  }

  /** "if `test` then `a` else `b`", of which all others are cases. */
  choose(test: Presence, a: Presence, b: Presence): Presence {
    if (test === TRUE || a === b) return a;
    if (test === FALSE) return b;
    if (a === TRUE && b === FALSE) return test;
    const key = `${test},${a},${b}`;
    const known = this.#chosen.get(key);
    if (known !== undefined) return known;
    const level = Math.min(this.#level[test]!, this.#level[a]!, this.#level[b]!);
    const absent = this.choose(
      this.#below(test, level, false),
      this.#below(a, level, false),
      this.#below(b, level, false),
    );
    const present = this.choose(
      this.#below(test, level, true),
      this.#below(a, level, true),
      this.#below(b, level, true),
    );
    const result = this.#node(level, absent, present);
    this.#chosen.set(key, result);
    return result;
  }

  /** What is left to hold once it is known whether `name` is present. */
  given(a: Presence, name: string, isPresent: boolean): Presence {
    const level = this.#levels.get(name);
    return level === undefined ? a : this.#given(a, level, isPresent, new Map());
  }

  /** The keys that it depends on. */
  names(a: Presence): ReadonlySet<string> {
    const found = new Set<string>();
    const seen = new Set<Presence>();
    const open = [a];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (node <= TRUE || seen.has(node)) continue;
      seen.add(node);
      found.add(this.#names[this.#level[node]!]!);
      open.push(this.#absent[node]!, this.#present[node]!);
    }
    return found;
  }

  /** True for the sets of keys that are allowed. */
  allows(a: Presence, isPresent: (name: string) => boolean): boolean {
    let node = a;
    while (node > TRUE) {
      const next = isPresent(this.#names[this.#level[node]!]!) ? this.#present : this.#absent;
      node = next[node]!;
    }
    return node === TRUE;
  }

  /** Whether every allowed set of keys has `name`. */
  isRequired(a: Presence, name: string): boolean {
    return this.given(a, name, false) === FALSE;
  }

  #given(a: Presence, level: number, isPresent: boolean, done: Map<Presence, Presence>): Presence {
    const own = this.#level[a]!;
    if (own > level) return a;
    if (own === level) return isPresent ? this.#present[a]! : this.#absent[a]!;
    const known = done.get(a);
    if (known !== undefined) return known;
    const absent = this.#given(this.#absent[a]!, level, isPresent, done);
    const present = this.#given(this.#present[a]!, level, isPresent, done);
    const result = this.#node(own, absent, present);
    done.set(a, result);
    return result;
  }

  #below(a: Presence, level: number, isPresent: boolean): Presence {
    if (this.#level[a] !== level) return a;
    return isPresent ? this.#present[a]! : this.#absent[a]!;
  }

  #levelOf(name: string): number {
    const known = this.#levels.get(name);
    if (known !== undefined) return known;
    const level = this.#names.length;
    this.#names.push(name);
    this.#levels.set(name, level);
    return level;
  }

  #node(level: number, absent: Presence, present: Presence): Presence {
    if (absent === present) return absent;
    const key = `${level},${absent},${present}`;
    const known = this.#unique.get(key);
    if (known !== undefined) return known;
    const node = this.#level.length;
    if (node >= this.#limit) {
      throw new PresenceBudgetError(`more than ${this.#limit} nodes for which keys are present`);
    }
    this.#level.push(level);
    this.#absent.push(absent);
    this.#present.push(present);
    this.#unique.set(key, node);
    return node;
  }
}
