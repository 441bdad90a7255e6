/**
 * The compilers of `hearth schema`. They stand in no register, because no server owns them: they end when their
 * channel does, and a watchdog of their own ends them where they cannot notice.
 */
import { join } from 'node:path';

import type { ExamineLimits } from '../../ipc/compiler-protocol.ts';
import { CompilerChildren } from '../../orchestrator/compiler/compiler-children.ts';
import type { JobEnd } from '../../orchestrator/compiler/compiler-process.ts';
import { grammarMaxBytes } from '../../orchestrator/compiler/grammar-bytes.ts';
import { spawnWorker } from '../../orchestrator/replica/worker-process.ts';
import { compilerSpec } from '../compiler-spec.ts';
import type { CliContext } from '../context.ts';
import { workerEnvironment } from '../environment.ts';
import type { SchemaLimits } from './options.ts';

/** Many start at once, on machines that are busy with them. */
const START_MS = 60_000;
/** A compiler has no heartbeats: it is watched by its jobs. */
const HEARTBEAT = { intervalMs: 1_000, misses: 5, silenceLimitMs: 60_000, dependent: false };

export function openChildren(
  { timeoutMs, memoryMb }: SchemaLimits,
  max: number,
  { environment, folders }: CliContext,
): CompilerChildren {
  const settings = {
    heapMb: memoryMb,
    environment: workerEnvironment(environment, join(folders.cacheDir, 'compile')),
    heartbeat: HEARTBEAT,
  };
  return new CompilerChildren({
    spawn: (number) => spawnWorker(compilerSpec(number, settings)),
    cpuMs: timeoutMs,
    startMs: START_MS,
    max,
  });
}

export function examineLimits({ maxBytes, maxDepth }: SchemaLimits): ExamineLimits {
  return { maxSchemaBytes: maxBytes, maxDepth, maxGrammarBytes: grammarMaxBytes(maxBytes) };
}

/** Of a job that has no answer of its own, in one line. */
export function howItEnded(end: JobEnd): string {
  if (end.type === 'died') return end.how.split('\n')[0]!;
  // The kind of the error and where it was thrown.
  if (end.type === 'failed') return end.why.split(/\s*\n\s*/, 2).join(' ');
  return `the compiler answered ${end.type}`;
}
