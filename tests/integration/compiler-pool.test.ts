/**
 * The compiler of constraints as it is served: child processes that may be killed. Hostile schemas are those that
 * crash or hang other servers.
 */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';

import { afterEach, expect, test } from 'vitest';

import { systemClock } from '../../src/core/clock.ts';
import type { Constraint } from '../../src/core/constraint.ts';
import { silentLog } from '../../src/core/log.ts';
import {
  CompilerPool,
  type CompilerPoolOptions,
} from '../../src/orchestrator/compiler/compiler-pool.ts';
import { spawnWorker, type WorkerProcess } from '../../src/orchestrator/replica/worker-process.ts';
import { HEARTBEAT } from '../support/heartbeat.ts';

const ENTRY = fileURLToPath(new URL('../../src/worker/compiler/main.ts', import.meta.url));
const LIMITS = { schemaMaxBytes: 65_536, schemaMaxDepth: 20 };

const children: WorkerProcess[] = [];
const pools: CompilerPool[] = [];

function makePool(
  options: Partial<CompilerPoolOptions> & { entry?: string; heapMb?: number } = {},
) {
  const { entry = ENTRY, heapMb = 512, ...others } = options;
  const pool = new CompilerPool({
    spawn: (number) => {
      const child = spawnWorker({
        model: 'compiler',
        backend: 'schema',
        number,
        runId: randomUUID(),
        environment: { PATH: process.env.PATH ?? '' },
        heartbeat: HEARTBEAT,
        nodeArgs: [`--max-old-space-size=${heapMb}`],
        entry,
      });
      children.push(child);
      return child;
    },
    limits: LIMITS,
    clock: systemClock,
    log: silentLog,
    ...others,
  });
  pools.push(pool);
  return pool;
}

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
  const ends = await Promise.all(children.splice(0).map(({ exited }) => exited));
  expect(ends.every((how) => how !== '')).toBe(true);
});

const schemaOf = (schema: unknown) => ({
  constraint: { kind: 'json_schema', schema } satisfies Constraint,
  param: 'response_format',
});

test('a schema becomes a grammar, the same one twice without another job', async () => {
  const pool = makePool();
  const asked = schemaOf({ type: 'integer' });
  const first = await pool.compile(asked);
  expect(first.text).toMatch(/^root ::= /);
  expect(first.hash).toMatch(/^[0-9a-f]{64}$/);
  for (const child of children) child.kill();
  expect(await pool.compile(asked)).toEqual(first);
});

test('a finished answer is looked at', async () => {
  const pool = makePool();
  const asked = schemaOf({ enum: ['a', 'b'] });
  const grammar = await pool.compile(asked);
  expect(await pool.check(asked, grammar, '"a"')).toMatchObject({ verdict: 'valid' });
  expect(await pool.check(asked, grammar, '"c"')).toMatchObject({ verdict: 'invalid' });
});

test('MX-006: 65,536 bytes are taken and one more is refused, by the number', async () => {
  const pool = makePool();
  const ofBytes = (bytes: number) => schemaOf({ description: 'x'.repeat(bytes - 18) });
  await expect(pool.compile(ofBytes(65_536))).resolves.toMatchObject({ hash: expect.any(String) });
  await expect(pool.compile(ofBytes(65_537))).rejects.toMatchObject({
    code: 'unsupported_schema',
    param: 'response_format',
    message: expect.stringContaining('65536'),
  });
});

const properties = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, { type: 'string' }]));

test.each([
  ['a reference to itself', { $ref: '#' }],
  [
    'two that refer to each other',
    { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } },
  ],
  ['a billion items', { type: 'array', minItems: 1e9 }],
  ['nested repeats', { type: 'string', pattern: '(a+)+b' }],
  ['a million values', { enum: Array.from({ length: 9_000 }, (_, i) => i * 7919) }],
  ['many properties', { type: 'object', properties: properties(2_000) }],
  ['look-behind', { type: 'string', pattern: '(?<=a)b' }],
  ['nothing that satisfies it', { type: 'string', minLength: 2, maxLength: 1 }],
  ['a remote reference', { $ref: 'https://example.com/schema.json' }],
  ['an unknown draft', { $schema: 'https://example.com/draft-99' }],
])('hostile, %s: answered, and the next one is served', async (_, schema) => {
  const pool = makePool();
  const ended = await pool.compile(schemaOf(schema)).then(
    ({ text }) => text.slice(0, 4),
    (error: { code?: string }) => error.code,
  );
  expect(['root', 'unsupported_schema']).toContain(ended);
  await expect(pool.compile(schemaOf({ type: 'null' }))).resolves.toHaveProperty('text');
});

const STUCK = fileURLToPath(new URL('../fixtures/workers/stuck-compiler.ts', import.meta.url));

test('a job that does not end is killed, refused by its budget, and not tried again', async () => {
  const pool = makePool({ entry: STUCK, cpuMs: 200 });
  const asked = schemaOf({ title: 'hang' });
  const refusal = { code: 'unsupported_schema', message: expect.stringContaining('budget') };
  await expect(pool.compile(asked)).rejects.toMatchObject(refusal);
  const spawned = children.length;
  await expect(pool.compile(asked)).rejects.toMatchObject(refusal);
  // The one that was killed has a successor, and the second refusal took none.
  expect(children).toHaveLength(spawned);
  await expect(pool.compile(schemaOf({ title: 'fine' }))).resolves.toHaveProperty('text');
});

test('a job is given time of a processor: that others have it is not its fault', async () => {
  const pool = makePool({ entry: STUCK, cpuMs: 200 });
  await expect(pool.compile(schemaOf({ title: 'sleep 600' }))).resolves.toHaveProperty('text');
  // But not for ever.
  await expect(pool.compile(schemaOf({ title: 'sleep 60000' }))).rejects.toMatchObject({
    message: expect.stringContaining('budget'),
  });
});

test('a compiler that dies of its heap costs a refusal', async () => {
  const pool = makePool({ entry: STUCK, heapMb: 64, cpuMs: 30_000 });
  await expect(pool.compile(schemaOf({ title: 'eat' }))).rejects.toMatchObject({
    code: 'unsupported_schema',
  });
  await expect(pool.compile(schemaOf({ title: 'fine' }))).resolves.toHaveProperty('text');
});

test('one that somebody else ends costs its job nothing', async () => {
  const pool = makePool({ entry: STUCK, cpuMs: 60_000 });
  await pool.compile(schemaOf({ title: 'fine' }));
  const job = pool.compile(schemaOf({ title: 'wait' }));
  const [first] = children;
  first!.kill();
  await expect(job).resolves.toHaveProperty('text');
});

test('an answer is finished also where nobody can look at it', async () => {
  const pool = makePool();
  const asked = schemaOf({ type: 'integer' });
  const grammar = await pool.compile(asked);
  await pool.close();
  expect(await pool.check(asked, grammar, '1')).toEqual({ verdict: 'unchecked' });
});

test('while one is stuck another one is served', async () => {
  const pool = makePool({ entry: STUCK, cpuMs: 3_000 });
  const stuck = pool.compile(schemaOf({ title: 'hang' })).catch(() => 'refused');
  await expect(pool.compile(schemaOf({ title: 'fine' }))).resolves.toHaveProperty('text');
  expect(await stuck).toBe('refused');
});

test('a pool that is closed leaves no child behind and answers those that wait', async () => {
  const pool = makePool({ entry: STUCK, cpuMs: 60_000 });
  const jobs = ['hang 1', 'hang 2', 'hang 3'].map((title) =>
    pool.compile(schemaOf({ title })).catch((error: { code?: string }) => error.code),
  );
  await pool.close();
  await Promise.all(jobs);
  await Promise.all(children.map(({ exited }) => exited));
  expect(children.every(({ hasExited }) => hasExited)).toBe(true);
});
