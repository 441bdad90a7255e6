/**
 * The environment: the only place that reads `process.env`. Everything else gets it as a value.
 */
export type Environment = Readonly<Record<string, string | undefined>>;

export function readEnvironment(): Environment {
  return { ...process.env };
}

/**
 * What a worker needs of ours and nothing more: no key or token of the user's shell reaches the
 * process that parses model files. The second line is what GPU libraries look for.
 */
const HANDED_DOWN = [
  ...['PATH', 'HOME', 'TMPDIR', 'LANG', 'LC_ALL', 'TZ'],
  ...['LD_LIBRARY_PATH', 'CUDA_VISIBLE_DEVICES', 'CUDA_HOME', 'VK_ICD_FILENAMES'],
] as const;

export function workerEnvironment(
  environment: Environment,
  /** Where the worker's Node keeps compiled code. */
  compileCacheDir: string | undefined,
): Readonly<Record<string, string>> {
  const handed = HANDED_DOWN.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(handed),
    ...(compileCacheDir === undefined ? {} : { NODE_COMPILE_CACHE: compileCacheDir }),
  };
}
