/** One thing that `hearth doctor` looked at. */
export interface Check {
  readonly name: string;
  /** `warn`: works, with something missing. `fail`: must be mended first. */
  readonly status: 'good' | 'warn' | 'fail';
  /** What was found. Facts about the machine, never contents of files or variables. */
  readonly found: string;
  /** What to do, when something is to be done. */
  readonly advice?: string | undefined;
}

export function good(name: string, found: string): Check {
  return { name, status: 'good', found };
}

export function warn(name: string, found: string, advice: string): Check {
  return { name, status: 'warn', found, advice };
}

export function fail(name: string, found: string, advice: string): Check {
  return { name, status: 'fail', found, advice };
}
