/** The next number that a double can hold, above (`1`) or below (`-1`); an infinity at the ends. Pure. */
export function neighbourDouble(value: number, direction: 1 | -1): number {
  if (value === 0) return direction * Number.MIN_VALUE;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  // The bits of a double count up with its magnitude.
  const isOutward = value > 0 === direction > 0;
  view.setBigInt64(0, view.getBigInt64(0) + (isOutward ? 1n : -1n));
  return view.getFloat64(0);
}
