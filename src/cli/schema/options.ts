/** The limits of `hearth schema`, as flags. Errors: InvalidArgumentError, which commander shows: exit 2. */
import { InvalidArgumentError } from 'commander';

export interface SchemaLimits {
  readonly timeoutMs: number;
  readonly memoryMb: number;
  readonly maxBytes: number;
  readonly maxDepth: number;
}

/** Parses a whole number of a flag. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };
}
