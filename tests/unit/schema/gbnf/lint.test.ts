import { describe, expect, test } from 'vitest';

import { GrammarError } from '../../../../src/schema/gbnf/error.ts';
import { LINT_LIMITS, lintGrammar } from '../../../../src/schema/gbnf/lint.ts';

function refusal(...args: Parameters<typeof lintGrammar>): string {
  try {
    lintGrammar(...args);
  } catch (error) {
    expect(error).toBeInstanceOf(GrammarError);
    expect((error as Error).message).not.toContain('\n');
    return (error as Error).message;
  }
  throw new Error('not refused');
}

const lines = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');

describe('lintGrammar', () => {
  test('passes what works', () => {
    const json = [
      'root ::= object',
      'value ::= object | array | string | [0-9]{1,40} | ("true" | "false" | "null") ws',
      'object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws',
      'array ::= "[" ws ( value ("," ws value)* )? "]" ws',
      String.raw`string ::= "\"" ([^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}))* "\"" ws`,
      'ws ::= | " " | "\\n" [ \\t]{0,20}',
    ].join('\n');
    expect(() => lintGrammar(json)).not.toThrow();
    expect(() =>
      lintGrammar('root ::= ("a"?)* | item{0,1999}\nitem ::= "- " [^\\n]+ "\\n"'),
    ).not.toThrow();
  });

  test.each([
    ['root ::= "a" x', "'x' is used and not defined"],
    ['root ::= x{0}', "'x' is used and not defined"],
    ['root ::= "a"\nroot ::= "b"', "'root' is defined more than once"],
    ['root ::= "b" y\ny ::= (("a"){0,2001})', "'y' may go beyond 2000"],
    ['root ::= "a" root', "'root' never ends at line 1, column 1"],
    ['root ::= "a" | "b" trap\ntrap ::= [x] other\nother ::= "y" trap', 'never ends'],
    ['root ::= "a" | [z-a]', "'root' has a character that no text can have"],
    [String.raw`root ::= ("a" | "\uD83D\uDE00")`, "'root' has a character that no text can have"],
    ['root ::= "a"\0', 'U+0000'],
    ['root ::= "\ud800"', 'surrogate'],
    ['root ::= a root "x" | "y"\na ::= b\nb ::= ""', 'begins with itself'],
  ])('%j is refused', (grammar, message) => {
    expect(refusal(grammar)).toContain(message);
  });

  test('what nothing reaches may be unproductive', () => {
    expect(() => lintGrammar('root ::= "a"\nx ::= "x" x | [z-a]')).not.toThrow();
  });

  test('sizes are limited', () => {
    expect(refusal(`root ::= "${'a'.repeat(65_536)}"`)).toContain('longer than 65536 bytes');
    expect(refusal('root ::= ("a"{0,100} "b"){0,19}', { ...LINT_LIMITS, rules: 100 })).toContain(
      'rules and',
    );
    expect(refusal(`root ::= "${'a'.repeat(500)}"{1999}`)).toContain('elements when its repeats');
  });

  test('ways from rule to rule that multiply are refused', () => {
    const doubling = `root ::= r0\n${lines(30, (i) => `r${i} ::= r${i + 1} "x" | r${i + 1}`)}\nr30 ::= "x"`;
    expect(refusal(doubling)).toContain('too many ways');
    const chain = `root ::= r0\n${lines(5_001, (i) => `r${i} ::= r${i + 1}`)}\nr5001 ::= "x"`;
    expect(refusal(chain, { ...LINT_LIMITS, textBytes: 200_000 })).toContain('too long a chain');
    // Behind a character nothing multiplies.
    expect(() =>
      lintGrammar(
        `root ::= r0\n${lines(30, (i) => `r${i} ::= "a" r${i + 1} | "b" r${i + 1}`)}\nr30 ::= "x"`,
      ),
    ).not.toThrow();
  });

  test('a rule that opens too widely is named', () => {
    const wide = `root ::= "x" many\nmany ::= ${Array.from({ length: 5_000 }, (_, i) => `"${i}"`).join(' | ')}`;
    expect(refusal(wide)).toContain("'many' can go on in");
    const optional = `root ::= "x" tail\ntail ::= ${'(a? a? a? a? a? a? a? a?)? '.repeat(200)}\na ::= "a" | "b"`;
    expect(refusal(optional)).toContain("'tail' can go on in");
  });

  test('stacks that grow without end are found', () => {
    expect(refusal('root ::= "a" root b | "a" root c | "a"\nb ::= "b"\nc ::= "c"')).toContain(
      'so ambiguous',
    );
    expect(
      refusal('root ::= "." x\nx ::= "a" x b | "a" x c | "q"\nb ::= "b"\nc ::= "c"'),
    ).toContain('so ambiguous');
    // It has 44 places times 44 counts, and tries all of them at every character.
    expect(refusal('root ::= ("a"{0,44}){44}')).toContain('so ambiguous');
    // Many at the start of which few go on are no such thing.
    const many = Array.from({ length: 3_000 }, (_, i) => `"${i}"`).join(' | ');
    expect(() => lintGrammar(`root ::= "[" (${many}) "]"`)).not.toThrow();
    const words = Array.from({ length: 700 }, (_, i) => `"'${i}'"`).join(' | ');
    expect(() => lintGrammar(`root ::= "[" word ("," word)* "]"\nword ::= ${words}`)).not.toThrow();
    // Ambiguous, and harmless: the stacks differ in their heights alone.
    expect(() => lintGrammar('root ::= "a" root root | "a"')).not.toThrow();
  });

  test('the same text gets the same answer', () => {
    const grammar = 'root ::= "a" root b | "a" root c | "a"\nb ::= "b"\nc ::= "c"';
    expect(refusal(grammar)).toBe(refusal(grammar));
  });
});
