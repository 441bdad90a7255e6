import { describe, expect, test } from 'vitest';

import { GrammarError } from '../../../../src/schema/gbnf/error.ts';
import { acceptsText, makeMatcher } from '../../../../src/schema/gbnf/match.ts';
import { parseGrammar } from '../../../../src/schema/gbnf/parse.ts';

/** Which of the texts are sentences. */
function sentences(grammar: string, ...texts: string[]): string[] {
  const matcher = makeMatcher(parseGrammar(grammar));
  return texts.filter((text) => acceptsText(matcher, text).ok);
}

function refusal(grammar: string): string {
  try {
    parseGrammar(grammar);
  } catch (error) {
    expect(error).toBeInstanceOf(GrammarError);
    expect((error as Error).message).not.toContain('\n');
    return (error as Error).message;
  }
  throw new Error(`not refused: ${grammar}`);
}

describe('characters', () => {
  test('every escape means its code point, and \\x is no byte', () => {
    const grammar = String.raw`root ::= "\x41\u00e9\U0001F600\t\r\n\\\"\[\]\-\xE9"`;
    expect(sentences(grammar, 'Aé😀\t\r\n\\"[]-é')).toHaveLength(1);
  });

  test.each([
    [String.raw`root ::= "\q"`, 'line 1, column 11'],
    [String.raw`root ::= "\/"`, 'column 11'],
    [String.raw`root ::= "\x4"`, '2 hexadecimal digits'],
    [String.raw`root ::= "\u004g"`, '4 hexadecimal digits'],
    [String.raw`root ::= [\U0001F60]`, '8 hexadecimal digits'],
    ['root ::= "a', 'ends inside a literal'],
    ['root ::= [a-', 'ends inside a literal'],
    ['root ::= "é" "\\', 'column 15'],
  ])('%s is refused', (grammar, message) => {
    expect(refusal(grammar)).toContain(message);
  });

  test('two halves of a surrogate pair are not the character', () => {
    expect(sentences(String.raw`root ::= "\uD83D\uDE00"`, '😀', '\uD83D\uDE00')).toEqual([]);
  });

  test('a line end may stand in a literal and in a class', () => {
    expect(sentences('root ::= "a\nb" [\n]', 'a\nb\n')).toHaveLength(1);
  });

  test.each([
    ['[a-]', '-a'],
    ['[-a]', '-a'],
    ['[a-c-e]', '-abce'],
    ['[--0]', '-./0'],
    [String.raw`[a\-c]`, '-ac'],
    [String.raw`[\--0]`, '-./0'],
    [String.raw`[\]\[^]`, '[]^'],
    ['[z-a]', ''],
    ['[^ -df-~]', 'e'],
    ['[bz-ac]', 'bc'],
  ])('the class %s holds %j', (text, members) => {
    const ascii = Array.from({ length: 95 }, (_, i) => String.fromCharCode(0x20 + i));
    expect(sentences(`root ::= ${text}`, ...ascii).join('')).toBe(members);
  });

  test('. and negated classes hold all of Unicode but U+0000 and halves of pairs', () => {
    const texts = [
      '\x01',
      '\n',
      '\ud7ff',
      '\ue000',
      '\ufffd',
      '\u{10ffff}',
      '\0',
      '\ud800',
      '\udfff',
    ];
    expect(sentences('root ::= .', ...texts)).toEqual(texts.slice(0, 6));
    expect(sentences('root ::= [^a]', ...texts)).toEqual(texts.slice(0, 6));
  });

  test('an empty literal and an empty class are nothing', () => {
    expect(sentences('root ::= "" [] "a" [^]', 'a', '', 'ab')).toEqual(['a']);
    for (const nothing of ['""', '[]', '[^]']) {
      expect(refusal(`root ::= ${nothing}*`)).toContain('nothing to repeat');
    }
  });
});

describe('lines and space', () => {
  test('a rule goes on after ::=, after | and within brackets', () => {
    expect(
      sentences('root ::=\n\n "a" |\n "b" | (\n "c"\r\n | "d" \n) # end', 'a', 'b', 'c', 'd'),
    ).toHaveLength(4);
  });

  test.each([
    ['root ::= "a"\n| "b"', 'line 2, column 1'],
    ['root\n::= "a"', "'::=' was expected after root and a line end found"],
    ['root = "a"', "'::=' was expected"],
    ['root ::= a_b', "'_' cannot stand here"],
    ['_ ::= "a"', 'A rule name was expected'],
    ['root ::= "a" )', "')' cannot stand here"],
    ['root ::= ("a" "b"', "')' was expected for the '(' of line 1, column 10"],
    ['root ::= "a"\n\nother := "b"', 'line 3, column 7'],
  ])('%j is refused', (grammar, message) => {
    expect(refusal(grammar)).toContain(message);
  });

  test('comments end at a line end, blanks may stand before a repeat', () => {
    expect(sentences('# x ::= y\nroot ::= "a" * # "b"\n # c\n', '', 'aaa')).toHaveLength(2);
  });

  test('\\r ends a rule, too, and names may be digits', () => {
    expect(sentences('root ::= 1 -b\r1 ::= "x"\r\n-b ::= "y"', 'xy')).toHaveLength(1);
  });

  test('an empty rule takes what follows it for its own', () => {
    expect(sentences('root ::= x\nx ::=', '')).toEqual(['']);
    expect(refusal('root ::= x\nx ::=\ny ::= "a"')).toContain("':' cannot stand here");
  });

  test('the text ends at U+0000', () => {
    expect(sentences('root ::= "a"\0 ???', 'a')).toEqual(['a']);
    expect(refusal('root ::= "a\0"')).toContain('ends inside');
  });
});

describe('repeats', () => {
  const accepted = (grammar: string, ...counts: number[]) => {
    const matcher = makeMatcher(parseGrammar(grammar));
    return counts.filter((count) => acceptsText(matcher, 'a'.repeat(count)).ok);
  };

  test.each([
    ['"a"{3}', [3]],
    ['"a"{2,4}', [2, 3, 4]],
    ['"a"{ 4 , }', [4, 5, 6]],
    ['"a"{0}', [0]],
    ['"a"{0,0}', [0]],
    ['"a"?', [0, 1]],
    ['"a"+', [1, 2, 3, 4, 5, 6]],
    ['"aa"{1,2}', [2, 4]],
    ['"a"{2}{3}', [6]],
    ['"a"{2}?', [0, 2]],
    ['"a"+{3}', [3, 4, 5, 6]],
    ['("a" | "aa"){2}', [2, 3, 4]],
    ['("a"?)*', [0, 1, 2, 3, 4, 5, 6]],
    ['(("a"?))+', [0, 1, 2, 3, 4, 5, 6]],
    ['"aaaa" "a"{1,2}', [5, 6]],
  ])('%s', (text, counts) => {
    expect(accepted(`root ::= ${text}`, 0, 1, 2, 3, 4, 5, 6)).toEqual(counts);
  });

  test('1999 is the most, in copies and in optional ones', () => {
    expect(accepted('root ::= "a"{1999}', 1998, 1999, 2000)).toEqual([1999]);
    expect(accepted('root ::= "a"{0,1999}', 0, 1999, 2000)).toEqual([0, 1999]);
    expect(refusal('root ::= "a"{2000}')).toContain('multiply to 2000 or more');
    expect(refusal('root ::= "a"{0,2000}')).toContain('multiply to 2000 or more');
    expect(refusal('root ::= "a"{2000,}')).toContain('multiply to 2000 or more');
    expect(refusal('root ::= "a"{2001}')).toContain('at least 2001 is above the 2000');
  });

  test('an upper bound above 2000 is none', () => {
    expect(accepted('root ::= "a"{0,2001}', 0, 2001, 4000, 9000)).toEqual([0, 2001, 4000, 9000]);
    expect(accepted('root ::= "a"{1999,4000}', 1998, 1999, 4001)).toEqual([1999, 4001]);
    expect(accepted('root ::= "a"{1,18446744073709551615}', 0, 5)).toEqual([5]);
    expect(refusal('root ::= "a"{1,18446744073709551616}')).toContain('too many digits');
  });

  test('a product counts the rules inside, not the characters', () => {
    const long = 'x'.repeat(50);
    expect(() => parseGrammar(`root ::= "${long}"{1999}`)).not.toThrow();
    // The group, and one rule for each of the 50: 51 * 39 = 1989.
    expect(() => parseGrammar('root ::= ("a"{0,50}){39}')).not.toThrow();
    expect(refusal('root ::= ("a"{0,50}){40}')).toContain('line 1, column 21');
    // A copy is no rule: the group counts as one.
    expect(() => parseGrammar('root ::= ("a"{50}){1999}')).not.toThrow();
    // A name counts where it is used first.
    expect(() => parseGrammar('root ::= (x x){999}\nx ::= "a"')).not.toThrow();
    expect(refusal('root ::= (x x){1000}\nx ::= "a"')).toContain('multiply');
    expect(() => parseGrammar('x ::= "a"\nroot ::= (x x){1999}')).not.toThrow();
    expect(refusal('root ::= "a"{45}{45}')).toContain('column 17');
  });

  test('what would make the engine write rules without end is refused', () => {
    expect(refusal('root ::= "a"{3,1}')).toContain('ends below where it begins');
    expect(refusal('root ::= "a"{3,0}')).toContain('ends below where it begins');
  });

  test.each(['{', '{}', '{,2}', '{a}', '{1', '{1,', '{1,2', '{1;2}', '{-1}', '{1\n}'])(
    '%j is refused',
    (text) => {
      expect(refusal(`root ::= "a"${text}`)).toMatch(/was expected/);
    },
  );

  test('a line end may stand in a repeat within brackets', () => {
    expect(accepted('root ::= ("a"{1\n,\n2\n})', 0, 1, 2, 3)).toEqual([1, 2]);
  });
});

describe('rules', () => {
  test('the last definition counts', () => {
    expect(sentences('root ::= "x" y\nroot ::= "y"', 'x', 'y')).toEqual(['y']);
  });

  test.each([
    ['', 'no rules'],
    ['# nothing', 'no rules'],
    ['a ::= "x"', "no rule 'root'"],
    ['a ::= root{0}', "no rule 'root'"],
    ['root ::= "a" b', "'b' is used and not defined at line 1, column 14"],
    ['root ::= b{0}\nc ::= "x"', "'b' is used and not defined"],
    [
      'root ::= "a"\nleft ::= left "a" | "b"',
      "'left' begins with itself (left recursion) at line 2, column 1",
    ],
    ['root ::= a "x" | "y"\na ::= b\nb ::= root', "'root' begins with itself"],
    ['root ::= "a"? root', "'root' begins with itself"],
    ['root ::= a root "x" | "y"\na ::= b\nb ::= ""', "'root' begins with itself"],
    ['root ::= <think> "a"', 'A token reference'],
    ['root ::= !<[12]>', 'A token reference'],
  ])('%j is refused', (grammar, message) => {
    expect(refusal(grammar)).toContain(message);
  });

  test('a name that is repeated 0 times and comes last need not be defined', () => {
    expect(sentences('root ::= b{0}', '')).toEqual(['']);
  });

  test('a rule that goes round with nothing in between works', () => {
    expect(sentences('root ::= a root | "y"\na ::= b\nb ::= "x"?', 'y', 'xxy', 'xx')).toEqual([
      'y',
      'xxy',
    ]);
  });
});

test('the shortest text of each rule is known', () => {
  const { names, leastLength } = parseGrammar(
    'root ::= x x x | y\nx ::= "aaa" | y "b"\ny ::= "yy" y | "d" x | "zzzzz"\nz ::= "z" z\ne ::= e1 e1\ne1 ::= ""\nbig ::= two{1999}\ntwo ::= "ab"',
  );
  const lengths = Object.fromEntries(names.map((name, i) => [name, leastLength[i]]));
  expect(lengths).toEqual({
    root: 4,
    x: 3,
    y: 4,
    z: Number.POSITIVE_INFINITY,
    e: 0,
    e1: 0,
    big: 3998,
    two: 2,
  });
});

describe('hostile texts', () => {
  test('end in an error, not in an overflow', () => {
    expect(refusal(`root ::= ${'('.repeat(100_000)}`)).toContain('More than 200 brackets');
    expect(refusal(`root ::= ${'"a"{1999}'.repeat(2000)}`)).toContain(
      'when its repeats are written out',
    );
    expect(refusal(`root ::= "${'x'.repeat(5000)}"{0,1999}`)).toContain(
      'when its repeats are written out',
    );
    expect(refusal(`root ::= "${'é'.repeat(600_000)}"`)).toContain('longer than 1048576 bytes');
    const chain = Array.from({ length: 30_000 }, (_, i) => `r${i} ::= r${i + 1}`).join('\n');
    expect(() => parseGrammar(`root ::= r0\n${chain}\nr30000 ::= "a"`)).not.toThrow();
    expect(refusal(`root ::= r0\n${chain}\nr30000 ::= r0`)).toContain('begins with itself');
  });
});
