/**
 * Hashes a file on a thread of its own, behind the one that writes it: it is told how far the file is whole
 * from the start, reads that, and answers at the end.
 *
 *   {upTo} … {upTo: bytes} ──▶ {sha256, gitHash}      what it reads is mostly still in memory
 *
 * Errors  thrown: the thread ends with them.
 */
import { createHash } from 'node:crypto';
import { openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

import type { Digests, HashTask } from './hasher.ts';

const SLICE_BYTES = 1 << 20;

const { path, bytes, isGit } = workerData as HashTask;
const port = parentPort!;
const fd = openSync(path, 'r');
const sha256 = createHash('sha256');
const git = createHash('sha1').update(`blob ${bytes}\0`);
const slice = Buffer.allocUnsafe(SLICE_BYTES);
let position = 0;

function readUpTo(end: number): void {
  while (position < end) {
    const count = readSync(fd, slice, 0, Math.min(SLICE_BYTES, end - position), position);
    if (count === 0) throw new Error(`${path} ends at ${position}, before ${end}`);
    const read = slice.subarray(0, count);
    sha256.update(read);
    if (isGit) git.update(read);
    position += count;
  }
}

port.on('message', ({ upTo }: { readonly upTo: number }) => {
  readUpTo(upTo);
  if (position < bytes) return;
  const digests: Digests = {
    sha256: sha256.digest('hex'),
    gitHash: isGit ? git.digest('hex') : undefined,
  };
  port.postMessage(digests);
  port.close();
});
