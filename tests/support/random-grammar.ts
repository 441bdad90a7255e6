/**
 * Random grammars for property tests: small alphabets and few rules, so that rules overlap, repeat
 * and lead into each other. Some are refused (left recursion, products of repeats); most are not.
 *
 * Classes are negated by ASCII only: the engine judges `[^é]` by the first byte of a character when
 * tokens split it, so that is no question of the grammar alone.
 */
const LITERALS = ['a', 'b', 'ab', 'c', '', 'é', '日', '😀', '\\n', 'ba', '\\x41', '"'];
const CLASSES = [
  '[ab]',
  '[a-c]',
  '[^a]',
  '[^a-y"]',
  '[é-日]',
  '.',
  '[b-]',
  '[^\\x00-\\x7e]',
  '[😀-😂x]',
  '[ca]',
];
const REPEATS = ['*', '+', '?', '{2}', '{0,3}', '{1,}', '{2,4}', '{0}'];

/** `random`: like Math.random, in [0, 1). */
export function randomGrammar(random: () => number): string {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const names = ['root', 'x', 'y', 'z-1', '2'].slice(0, 1 + Math.floor(random() * 5));

  function item(depth: number): string {
    const way = random();
    const space = random() < 0.1 ? ' # c\n ' : ' ';
    if (way < 0.35) return JSON.stringify(pick(LITERALS)).replaceAll('\\\\', '\\');
    if (way < 0.6) return pick(CLASSES);
    if (way < 0.8 || depth === 0) return pick(names);
    return `(${space}${alternatives(depth - 1)}${space})`;
  }
  function sequence(depth: number): string {
    const count = Math.floor(random() * 4);
    return Array.from({ length: count }, () => {
      const part = item(depth);
      const isNothing = part === '""';
      return random() < 0.3 && !isNothing ? part + pick(REPEATS) : part;
    }).join(' ');
  }
  function alternatives(depth: number): string {
    return Array.from({ length: 1 + Math.floor(random() * 3) }, () => sequence(depth)).join(' | ');
  }
  return (
    names
      // A rule that begins with a character is seldom left recursive.
      .map(
        (name) =>
          `${name} ::= ${random() < 0.7 ? `"${pick(['a', 'b', 'c'])}" ` : '"" '}${alternatives(2)}\n`,
      )
      .join('')
  );
}
