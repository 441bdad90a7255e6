/**
 * Decimal numbers, exactly: bounds and steps as a schema writes them. Pure.
 *
 * Shapes  the value is ±0.d₁d₂d₃… · 10^point; `digits` has no zero at either end and is empty for 0.
 */
export interface Decimal {
  readonly isNegative: boolean;
  readonly digits: string;
  readonly point: number;
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

export const ZERO: Decimal = { isNegative: false, digits: '', point: 0 };

/** A finite number, which stands for its shortest spelling, or a spelling of JSON; else undefined. */
export function toDecimal(value: number | string): Decimal | undefined {
  const found = NUMBER.exec(String(value));
  if (found === null) return undefined;
  const [, sign, whole, fraction = '', exponent = '0'] = found;
  const all = `${whole}${fraction}`;
  const digits = all.replace(/^0+/, '');
  const trimmed = digits.replace(/0+$/, '');
  if (trimmed === '') return ZERO;
  const point = whole!.length - (all.length - digits.length) + Number(exponent);
  return { isNegative: sign === '-', digits: trimmed, point };
}

export function magnitudeOf(value: Decimal): Decimal {
  return { ...value, isNegative: false };
}

/** Negative, 0 or positive, as `a` is less than, equal to or more than `b`. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  const signs = signOf(a) - signOf(b);
  return signs !== 0 ? signs : signOf(a) * compareMagnitudes(a, b);
}

export function signOf({ digits, isNegative }: Decimal): -1 | 0 | 1 {
  if (digits === '') return 0;
  return isNegative ? -1 : 1;
}

function compareMagnitudes(a: Decimal, b: Decimal): number {
  if (a.point !== b.point) return a.point - b.point;
  // Digits behind the decimal point compare as text does.
  if (a.digits === b.digits) return 0;
  return a.digits < b.digits ? -1 : 1;
}
