/** Each text of a set with one code point before it. Pure; one state more. */
import { type Dfa, isEmpty } from './dfa.ts';
import { EMPTY, minimise } from './minimise.ts';

export function prefixed(code: number, dfa: Dfa): Dfa {
  if (isEmpty(dfa)) return EMPTY;
  const shifted = (values: Int32Array, by: number): number[] => Array.from(values, (v) => v + by);
  return minimise({
    accepting: Uint8Array.from([0, ...dfa.accepting]),
    first: Int32Array.from([0, ...shifted(dfa.first, 1)]),
    from: Int32Array.from([code, ...dfa.from]),
    to: Int32Array.from([code, ...dfa.to]),
    target: Int32Array.from([1, ...shifted(dfa.target, 1)]),
  });
}
