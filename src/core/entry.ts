/**
 * Where a program of ours lies: `.ts` in a clone, `.js` in the published package. The emitter
 * rewrites imports and leaves `new URL("….ts")` as it is, so the extension of the running file
 * decides.
 */

/** `path` without extension, relative to the file `from`, which is the caller's `import.meta.url`. */
export function entryUrl(path: string, from: string): URL {
  const extension = from.slice(from.lastIndexOf('.'));
  return new URL(`${path}${extension}`, from);
}
