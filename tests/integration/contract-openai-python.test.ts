/**
 * The official Python client, in its current version, against a Hearth server over a socket: as
 * `localhost` with IPv6 and IPv4, and with IPv4 only. What is checked stands, check by check, in
 * `tests/fixtures/python/openai_contract.py`.
 */
import { execFile } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { type HearthProcess, startHearth } from '../support/hearth-process.ts';
import { pythonWith } from '../support/python.ts';

const fixture = (name: string) =>
  fileURLToPath(new URL(`../fixtures/python/${name}`, import.meta.url));
const python = await pythonWith(fixture('requirements.txt'), 'contract of the Python client');
const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
);
if (!hasIPv6) console.log('contract over IPv6 skipped: this machine has no ::1');

const ANY_SERVER = [
  ...['models', 'non_stream', 'length_and_stop', 'completions', 'stream', 'usage_chunk'],
  ...['abort', 'error_classes', 'error_param', 'error_in_stream'],
];
const FULL_SERVER = ['overloaded', 'retries'];

interface Result {
  readonly check: string;
  readonly ok: boolean;
  readonly error: string | null;
}

/** One run of Python for all checks: the import alone takes a second. */
function checkAll(
  checks: readonly string[],
  {
    args,
    env,
  }: { readonly args: readonly string[]; readonly env?: Readonly<Record<string, string>> },
): void {
  let server: HearthProcess;
  const results = new Map<string, Result>();

  beforeAll(async () => {
    server = await startHearth({ model: {}, args, ...(env === undefined ? {} : { env }) });
    const { stdout } = await promisify(execFile)(
      python!,
      [
        fixture('openai_contract.py'),
        `http://localhost:${server.port}/v1`,
        server.model,
        ...checks,
      ],
      { timeout: 100_000 },
    );
    for (const line of stdout.trim().split('\n')) {
      const result = JSON.parse(line) as Result;
      results.set(result.check, result);
    }
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  test.each(checks)('%s', (check) => {
    expect(results.get(check)).toEqual({ check, ok: true, error: null });
  });
}

describe.skipIf(python === undefined)('openai (Python)', () => {
  describe.skipIf(!hasIPv6)('over localhost with IPv6 and IPv4', () => {
    checkAll(ANY_SERVER, { args: ['--slots', '2', '--context-tokens', '4096'] });
  });

  describe('over localhost with IPv4 only', () => {
    checkAll(ANY_SERVER, {
      args: ['--host', '127.0.0.1', '--slots', '2', '--context-tokens', '4096'],
    });
  });

  describe('on a server that has room for one request', () => {
    checkAll(FULL_SERVER, {
      args: ['--host', '127.0.0.1', '--slots', '1'],
      env: { HEARTH_LIMITS_QUEUE_DEPTH_MAX: '1' },
    });
  });
});
