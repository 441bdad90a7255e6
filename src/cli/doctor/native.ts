/**
 * Does the native library load here, and what does it compute on? Asked in a child with a limit:
 * it may abort, and a driver may hang.
 */
import { execFile } from 'node:child_process';
import * as z from 'zod';

import { entryUrl } from '../../core/entry.ts';
import { type Environment, workerEnvironment } from '../environment.ts';
import { type Check, fail, good } from './check.ts';

const LIMIT_MS = 60_000;

const Facts = z.object({
  release: z.string(),
  gpu: z.string(),
  devices: z.array(z.string()),
  gpuBytes: z.number(),
  cpuMathCores: z.number(),
});

export interface NativeReport {
  readonly check: Check;
  /** `off`, `metal`, `cuda` or `vulkan`; undefined when the library does not load. */
  readonly gpu: string | undefined;
}

export async function checkNative(environment: Environment): Promise<NativeReport> {
  const { error, stdout } = await runProbe(environment);
  const facts = Facts.safeParse(parseLine(stdout));
  if (error !== undefined || !facts.success) {
    return {
      gpu: undefined,
      check: fail(
        'native library',
        `does not load: ${error ?? 'it said nothing'}`,
        'Run "npm ci" in the clone, or install Hearth again. On Linux it needs glibc 2.34 or newer.',
      ),
    };
  }
  const { release, gpu, devices, gpuBytes, cpuMathCores } = facts.data;
  const device =
    gpu === 'off'
      ? `CPU, ${cpuMathCores} cores for arithmetic`
      : `${gpu}: ${devices.join(', ')} (${(gpuBytes / 2 ** 30).toFixed(1)} GiB)`;
  return {
    gpu,
    check: good('native library', `llama.cpp ${release} loads; computes on ${device}`),
  };
}

function runProbe(environment: Environment): Promise<{ error?: string; stdout: string }> {
  const entry = entryUrl('./native-probe', import.meta.url);
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [entry.pathname],
      {
        env: workerEnvironment(environment, undefined),
        timeout: LIMIT_MS,
        killSignal: 'SIGKILL',
        maxBuffer: 1024 * 1024,
      },
      (error, stdout, stderr) => {
        if (error === null) return resolve({ stdout });
        const last = stderr.trim().split('\n').at(-1)?.slice(0, 300);
        const how = error.killed
          ? `no answer within ${LIMIT_MS / 1000} s`
          : (error.signal ?? `exit code ${error.code}`);
        resolve({ error: last ? `${how}: ${last}` : how, stdout });
      },
    );
  });
}

function parseLine(stdout: string): unknown {
  try {
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  } catch {
    // Not our line: the schema then refuses it, which is the report.
    return undefined;
  }
}
