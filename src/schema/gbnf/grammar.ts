/**
 * A grammar ready for matching: flat arrays, every name a number.
 *
 *   elements      0 ends an alternative; even numbers from 2 are rules, odd ones from 3 character
 *                 sets (`rule-list.ts`). An index into it is a *position*.
 *   alternatives  start positions; those of rule r are at [ofRule[r], ofRule[r + 1])
 */
import type { Ranges } from './char-set.ts';
import type { Place } from './error.ts';

export interface Alternatives {
  readonly names: readonly string[];
  /** Where the text has a rule's name for the first time; a generated rule has its maker's. */
  readonly placeOf: (rule: number) => Place;
  readonly elements: Int32Array;
  readonly alternatives: Int32Array;
  readonly ofRule: Int32Array;
  /** By the id of a character set. */
  readonly sets: readonly Ranges[];
}

export interface Grammar extends Alternatives {
  readonly root: number;
  /** Code points of the shortest text of each rule; Infinity when it has none. */
  readonly leastLength: Float64Array;
  /** 1 where a rule has the empty text. */
  readonly isNullable: Uint8Array;
  /** Rules that begin with each other share one; who begins with a rule has a higher one. */
  readonly component: Int32Array;
  readonly members: readonly (readonly number[])[];
  /** As the engine stores them. */
  readonly storedElements: number;
  readonly oddities: Oddities;
}

/** Names of rules where the engine takes in silence what reads otherwise than it works. */
export interface Oddities {
  /** Defined more than once: the last one counts. */
  readonly redefined: readonly string[];
  /** Named in something that is repeated 0 times, and not defined. */
  readonly undefined: readonly string[];
  /** A repeat whose upper bound is so high that it is none. */
  readonly unbounded: readonly string[];
}
