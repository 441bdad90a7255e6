/**
 * `npm run models:fetch`: brings the real model of tests and benches into `.cache/models`.
 * One progress line on stderr, the path on stdout; nothing is fetched when it is there.
 */
import { fileURLToPath } from 'node:url';

import { ensureSmolLm2, type FetchProgress, ModelFetchError } from '../src/models/smollm2.ts';

const cacheDir = fileURLToPath(new URL('../.cache/models/', import.meta.url));
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());

let hasLine = false;
let lastPhase = '';
try {
  const path = await ensureSmolLm2({ cacheDir, onProgress: show, signal: stop.signal });
  if (hasLine) process.stderr.write('\n');
  process.stdout.write(`${path}\n`);
} catch (error) {
  if (hasLine) process.stderr.write('\n');
  if (!stop.signal.aborted && !(error instanceof ModelFetchError)) throw error;
  const why = stop.signal.aborted ? 'stopped' : (error as Error).message;
  process.stderr.write(`models:fetch: ${why}\n`);
  process.exitCode = stop.signal.aborted ? 130 : 1;
}

/** On a terminal the line is rewritten; a log gets one line a phase. */
function show({ phase, bytes, totalBytes }: FetchProgress): void {
  const percent = `${Math.floor((100 * bytes) / totalBytes)} %`.padStart(5);
  const text = `models:fetch: SmolLM2-135M-Instruct, ${phase}`;
  if (process.stderr.isTTY) {
    process.stderr.write(`\r\x1b[K${text} ${percent} of ${Math.round(totalBytes / 1e6)} MB`);
    hasLine = true;
  } else if (phase !== lastPhase) {
    process.stderr.write(`${text}, ${Math.round(totalBytes / 1e6)} MB\n`);
  }
  lastPhase = phase;
}
