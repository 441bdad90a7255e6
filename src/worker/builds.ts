/**
 * The backends a worker can run, and the version of the library behind each, read from its
 * package.json: `hello` carries it and must not wait for the library to be imported.
 */
import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

/** Name of the backend (and of its folder) → the package that runs the model; our own have none. */
const PACKAGES = { 'llama-cpp': 'node-llama-cpp', fake: undefined } as const;

export type BackendName = keyof typeof PACKAGES;

export function isBackendName(name: string): name is BackendName {
  return Object.hasOwn(PACKAGES, name);
}

/** 'unknown' where the package cannot be found: loading a model will say so with a reason. */
export function buildOf(backend: BackendName): string {
  const library = PACKAGES[backend];
  if (library === undefined) return 'built-in';
  try {
    const file = findPackageJSON(library, import.meta.url);
    if (file === undefined) return 'unknown';
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { readonly version?: unknown };
    return typeof version === 'string' ? version : 'unknown';
  } catch {
    // Not installed: see above.
    return 'unknown';
  }
}
