/**
 * Prompts that no cache knows: every one is random, and two share a prefix by chance only.
 *
 * Units   tokens. Ids are exact; of words the server says how many tokens they were.
 */

/** Common words, one token each in most vocabularies when a space stands before them. */
const WORDS = (
  'time year people way day man thing woman life child world school state family student group ' +
  'country problem hand part place case week company system program question work government ' +
  'number night point home water room mother area money story fact month lot right study book ' +
  'eye job word business issue side kind head house service friend father power hour game line ' +
  'end member law car city community name president team minute idea body information back ' +
  'parent face others level office door health person art war history party result change ' +
  'morning reason research girl guy moment air teacher force education'
).split(' ');

export type Random = () => number;

/** Uniform in [0, 1), the same for the same seed (mulberry32). */
export function makeRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function randomWords(count: number, random: Random): string {
  return Array.from({ length: count }, () => WORDS[Math.floor(random() * WORDS.length)]).join(' ');
}

/** Ids from 1000 on where there are so many: below stand bytes and, in some models, special tokens. */
export function randomIds(count: number, vocabularySize: number, random: Random): number[] {
  const first = Math.min(1000, Math.floor(vocabularySize / 4));
  const last = vocabularySize - 256;
  const span = Math.max(1, last - first);
  return Array.from({ length: count }, () => first + Math.floor(random() * span));
}
