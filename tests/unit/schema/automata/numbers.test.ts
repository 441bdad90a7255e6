import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BudgetError } from '../../../../src/schema/automata/budget.ts';
import { accepts, isEmpty, keyOf } from '../../../../src/schema/automata/dfa.ts';
import { enumerate } from '../../../../src/schema/automata/enumerate.ts';
import {
  multipleOf,
  multiplesWithin,
  notMultipleOf,
} from '../../../../src/schema/automata/multiple-of.ts';
import { NumberError } from '../../../../src/schema/automata/numbers/error.ts';
import { neighbourDouble } from '../../../../src/schema/automata/numbers/neighbour-double.ts';
import {
  exceptNumbers,
  integers,
  numberRange,
  numbers,
  ofNumbers,
} from '../../../../src/schema/automata/numbers.ts';
import { intersection } from '../../../../src/schema/automata/product.ts';
import { sample } from '../../../../src/schema/automata/sample.ts';

const all = { noNaN: true, noDefaultInfinity: true };
/** Numbers of every size and spelling: doubles, few digits, near powers of ten, whole ones. */
const anyNumber = fc.oneof(
  fc.double(all),
  fc.double({ ...all, min: -10, max: 10 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc
    .tuple(fc.integer({ min: -9999, max: 9999 }), fc.integer({ min: -12, max: 25 }))
    .map(([digits, exponent]) => Number(`${digits}e${exponent}`)),
  fc.constantFrom(
    0,
    1e-6,
    9.99999999999999e-7,
    1e21,
    999999999999999900000,
    5e-324,
    1.7976931348623157e308,
    2 ** 53,
    2 ** 63,
    0.1,
    0.30000000000000004,
  ),
);
const near = (value: number): readonly number[] => [
  value,
  -value,
  neighbourDouble(value, 1),
  neighbourDouble(value, -1),
  value * 10,
  value / 10,
  value + 1,
  value - 1,
  Math.trunc(value),
];

function spell(value: number): string {
  return JSON.stringify(value);
}

describe('a range of numbers', () => {
  const bounds = fc.record(
    { min: anyNumber, max: anyNumber, exclusiveMin: anyNumber, exclusiveMax: anyNumber },
    { requiredKeys: [] },
  );

  it('has the numbers within its bounds, and no others', () => {
    fc.assert(
      fc.property(
        bounds,
        fc.boolean(),
        fc.array(anyNumber, { maxLength: 5 }),
        (range, isInteger, more) => {
          const dfa = numberRange(range, isInteger);
          const values = [...Object.values(range), ...more].flatMap(near).filter(Number.isFinite);
          for (const value of values) {
            const isInside =
              value >= (range.min ?? -Infinity) &&
              value <= (range.max ?? Infinity) &&
              value > (range.exclusiveMin ?? -Infinity) &&
              value < (range.exclusiveMax ?? Infinity) &&
              (!isInteger || (Number.isInteger(value) && Math.abs(value) < 1e21));
            expect([range, isInteger, value, accepts(dfa, spell(value))]).toEqual([
              range,
              isInteger,
              value,
              isInside,
            ]);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('has no text that is read as a number outside, however many digits it has', () => {
    const random = fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true }));
    fc.assert(
      fc.property(bounds, random, fc.integer({ min: 1, max: 30 }), (range, stream, length) => {
        const text = sample(numberRange(range), () => stream.next().value, length);
        if (text === undefined) return;
        const value = JSON.parse(text) as number;
        expect(text).not.toBe('-0');
        expect(value).toBeGreaterThanOrEqual(range.min ?? -Infinity);
        expect(value).toBeLessThanOrEqual(range.max ?? Infinity);
        expect(value > (range.exclusiveMin ?? -Infinity)).toBe(true);
        expect(value < (range.exclusiveMax ?? Infinity)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    [
      { min: '0.1', exclusiveMax: '3.25' },
      ['0.1', '0.25', '1', '3.2', '3.2499999999999999999'],
      ['0.09', '3.25', '3.3', '0', '-1', '1.0', '01', '1.50', '.5', '1.', '10'],
    ],
    [
      { exclusiveMax: 0.1 },
      ['0.09999999999999999', '-5', '0'],
      ['0.1', '0.09999999999999999999', '-0'],
    ],
    [
      { min: -1.5, max: -1.25 },
      ['-1.5', '-1.25', '-1.3', '-1.499'],
      ['-1.51', '-1.2', '-1', '1.3', '0', '-1.250'],
    ],
    [
      { min: 1e308 },
      ['1e+308', '1.7976931348623157e+308'],
      ['1e+307', '1.8e+308', '2e+308', '1e+309', '1e308'],
    ],
    [
      { min: '9223372036854775808' },
      ['9223372036854775808', '1e+21'],
      ['9223372036854775807', '999'],
    ],
    [
      { min: 1e-9, max: 1e-7 },
      ['1e-9', '2.5e-8', '1e-7'],
      ['1.1e-7', '9e-10', '0.00000001', '1e-10'],
    ],
    [{ min: 0, max: 0 }, ['0'], ['-0', '1', '0.0']],
  ])('%j', (range, inside, outside) => {
    const dfa = numberRange(range);
    expect(inside.filter((text) => !accepts(dfa, text))).toEqual([]);
    expect(outside.filter((text) => accepts(dfa, text))).toEqual([]);
  });

  it('of integers lists them', () => {
    expect(enumerate(numberRange({ min: -2, exclusiveMax: 12.5 }, true), 50)).toEqual([
      '0',
      '1',
      '2',
      '3',
      '4',
      '5',
      '6',
      '7',
      '8',
      '9',
      '-1',
      '-2',
      '10',
      '11',
      '12',
    ]);
    expect(isEmpty(numberRange({ exclusiveMin: 1, exclusiveMax: 2 }, true))).toBe(true);
    expect(isEmpty(numberRange({ min: 2, max: 1 }))).toBe(true);
    expect(isEmpty(numberRange({ exclusiveMin: Number.MAX_VALUE }))).toBe(true);
  });

  it('needs bounds that are numbers', () => {
    expect(() => numberRange({ min: Infinity })).toThrow(NumberError);
    expect(() => numberRange({ min: '0x1' })).toThrow(NumberError);
  });
});

describe('all numbers', () => {
  it('are those that JSON.stringify writes', () => {
    fc.assert(
      fc.property(anyNumber, (value) => {
        expect([value, accepts(numbers(), spell(value))]).toEqual([value, true]);
        const isInteger = Number.isInteger(value) && Math.abs(value) < 1e21;
        expect([value, accepts(integers(), spell(value))]).toEqual([value, isInteger]);
      }),
    );
    for (const text of [
      '',
      '-',
      '-0',
      '01',
      '+1',
      '1.',
      '1.0',
      '1e5',
      '1e21',
      '1.5e+20',
      '0.0000001',
      '1e-6',
      '1e+309',
      '1e-325',
      '2e-324',
      '1000000000000000000000',
    ]) {
      expect([text, accepts(numbers(), text)]).toEqual([text, false]);
    }
  });
});

describe('all numbers but some', () => {
  it('have no spelling of these', () => {
    const dfa = exceptNumbers([0.1, 5]);
    expect(
      ['0.1', '0.10000000000000001', '0.09999999999999999999', '5', '5.0000000000000000001'].filter(
        (text) => accepts(dfa, text),
      ),
    ).toEqual([]);
    expect(
      ['0.09999999999999999', '0.10000000000000002', '4.999', '0', '-5'].filter(
        (text) => !accepts(dfa, text),
      ),
    ).toEqual([]);
    expect(
      enumerate(
        intersection(exceptNumbers([0, 2, -1], true), numberRange({ min: -2, max: 3 }, true)),
        9,
      ),
    ).toEqual(['1', '3', '-2']);
    expect(keyOf(exceptNumbers([]))).toBe(keyOf(numbers()));
    expect(enumerate(ofNumbers([-0, 1e21, 0.5]), 9)).toEqual(['0', '0.5', '1e+21']);
  });
});

describe('the multiples of a step', () => {
  const steps = [
    '0.01',
    '5',
    '0.25',
    '1e-3',
    '1',
    '7',
    '0.3',
    '60',
    '3600',
    '86400',
    '1000000',
    '1e-9',
    '0.000025',
    '12.5',
    '997',
  ];

  it('are those that the arithmetic of decimals says', () => {
    const sets = new Map(
      steps.map((step) => [step, [multipleOf(step), notMultipleOf(step)]] as const),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...steps),
        fc.maxSafeInteger(),
        fc.nat(9),
        (step, digits, places) => {
          const [dfa, not] = sets.get(step)!;
          const unit = units(step);
          for (const exact of [
            BigInt(digits),
            BigInt(digits % 1e6),
            BigInt(digits % 1000) * unit,
          ]) {
            // A number of so many decimals, in billionths.
            const billionths = exact * 10n ** BigInt(9 - places);
            const text = spellBillionths(billionths);
            if (text.replace(/[-.]/g, '').length > 15 || text.includes('e')) continue;
            const isMultiple = billionths % unit === 0n;
            expect([step, text, accepts(dfa, text)]).toEqual([step, text, isMultiple]);
            if ((text.split('.')[1]?.length ?? 0) > 6) continue;
            expect([step, text, accepts(not, text)]).toEqual([step, text, !isMultiple]);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('are spelled as JSON.stringify does', () => {
    expect(
      enumerate(intersection(multipleOf(0.25), numberRange({ min: -0.5, max: 1 })), 9),
    ).toEqual(['0', '1', '0.5', '-0.5', '0.25', '0.75', '-0.25']);
    expect(enumerate(intersection(multipleOf(1e6), numberRange({ min: 0, max: 3e6 })), 9)).toEqual([
      '0',
      '1000000',
      '2000000',
      '3000000',
    ]);
    const billionths = multipleOf(3e-9);
    expect(
      ['3e-9', '9.99e-7', '0.000001002', '-3e-9', '0'].filter((text) => !accepts(billionths, text)),
    ).toEqual([]);
    expect(
      ['1e-9', '-0', '0.000000003', '1e-6'].filter((text) => accepts(billionths, text)),
    ).toEqual([]);
  });

  it('within bounds need no more than the bounds', () => {
    const bounds = { min: -30_000, exclusiveMax: 29_919 };
    expect(enumerate(multiplesWithin(9973, bounds), 20)).toEqual([
      '0',
      '9973',
      '-9973',
      '19946',
      '-19946',
      '-29919',
    ]);
    for (const step of ['0.25', '7', '3e-9', '1e6']) {
      const two = intersection(numberRange(bounds), multipleOf(step));
      expect(keyOf(multiplesWithin(step, bounds))).toBe(keyOf(two));
      expect(keyOf(multiplesWithin(step, { min: 0 }))).toBe(
        keyOf(intersection(numberRange({ min: 0 }), multipleOf(step))),
      );
    }
    expect(enumerate(multiplesWithin(0.5, { min: 0, max: 2 }, { isInteger: true }), 9)).toEqual([
      '0',
      '1',
      '2',
    ]);
    expect(() => multipleOf(9973)).toThrow(BudgetError);
  });

  it('stop where doubles no longer tell decimals apart', () => {
    expect(accepts(multipleOf(5), '999999999999995')).toBe(true);
    expect(accepts(multipleOf(5), '9007199254740995')).toBe(false);
  });

  it('are refused beyond what an automaton can count', () => {
    for (const step of [10_001, 0.12345, 1e-10, 0, -1, '1/3']) {
      expect(() => multipleOf(step)).toThrow(NumberError);
    }
    expect(() => multipleOf(10_001)).toThrow('multiples of 10001: its digits are beyond 10000');
  });
});

/** In billionths. */
function units(step: string): bigint {
  return BigInt(Math.round(Number(step) * 1e9));
}

function spellBillionths(billionths: bigint): string {
  const sign = billionths < 0n ? '-' : '';
  const digits = String(billionths < 0n ? -billionths : billionths).padStart(10, '0');
  const text = `${sign}${digits.slice(0, -9)}.${digits.slice(-9)}`.replace(/\.?0+$/, '');
  const isTiny = Math.abs(Number(text)) < 1e-6 && billionths !== 0n;
  return isTiny ? `${text}e` : text === '-0' ? '0' : text;
}
