/**
 * The texts of a set, the shortest first and then by code points. Pure.
 *
 * A prefix waits under the length of the shortest text that it can become. Every prefix becomes at
 * least one, so that no more than `limit` of a length are worth keeping.
 */

import { distanceToEnd } from './build/distance.ts';
import { type Dfa, isEmpty } from './dfa.ts';

interface Prefix {
  readonly codes: readonly number[];
  readonly state: number;
}

/** At most `limit` texts. */
export function enumerate(dfa: Dfa, limit: number): readonly string[] {
  const texts: string[] = [];
  if (isEmpty(dfa) || limit <= 0) return texts;
  const distance = distanceToEnd(dfa);
  const waiting = new Map<number, Prefix[]>([[distance[0]!, [{ codes: [], state: 0 }]]]);
  const keep = (prefix: Prefix, length: number): void => {
    const others = waiting.get(length);
    if (others === undefined) waiting.set(length, [prefix]);
    else if (others.push(prefix) > 4 * limit) waiting.set(length, firstOf(others, limit));
  };
  while (waiting.size > 0 && texts.length < limit) {
    const length = Math.min(...waiting.keys());
    const open = firstOf(waiting.get(length)!, limit).toReversed();
    waiting.delete(length);
    for (let prefix = open.pop(); prefix !== undefined; prefix = open.pop()) {
      const { codes } = prefix;
      if (codes.length === length) {
        texts.push(String.fromCodePoint(...codes));
        if (texts.length === limit) return texts;
      }
      const sooner: Prefix[] = [];
      for (const longer of extend(dfa, prefix, limit)) {
        const reach = longer.codes.length + distance[longer.state]!;
        if (reach === length) sooner.push(longer);
        else keep(longer, reach);
      }
      open.push(...sooner.reverse());
    }
  }
  return texts;
}

function* extend(dfa: Dfa, { codes, state }: Prefix, limit: number): Generator<Prefix> {
  for (let edge = dfa.first[state]!; edge < dfa.first[state + 1]!; edge++) {
    const last = Math.min(dfa.to[edge]!, dfa.from[edge]! + limit - 1);
    for (let code = dfa.from[edge]!; code <= last; code++) {
      yield { codes: [...codes, code], state: dfa.target[edge]! };
    }
  }
}

function firstOf(prefixes: readonly Prefix[], limit: number): Prefix[] {
  return prefixes.toSorted((a, b) => compare(a.codes, b.codes)).slice(0, limit);
}

function compare(a: readonly number[], b: readonly number[]): number {
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at++;
  return (a[at] ?? -1) - (b[at] ?? -1);
}
