/**
 * `npm run bench -- maskbench`: the schemas of MaskBench with their instances, and the JSON-Schema-Test-Suite,
 * through `hearth schema check` as it is run: what is judged is the grammar that would be served.
 *
 * Bars    nothing invalid accepted, no crash, no time-out; as many schemas passed as the best engine passes in each
 *         set, 90 % of all; at most 0.3 % reject a valid instance. The suite: 940 of 1,299 tests, and nothing wrong but
 *         the cases that want formats not to be enforced. And no schema does worse than recorded.
 *         Of a part (`--only`, `--every`) only what must be zero, and the record.
 * Source  MaskBench of guidance-ai/jsonschemabench; the published shares are those of its tables, 2025–26.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { parseSpelled } from '../src/worker/compiler/json-body.ts';
import { type Answer, type Asked, checkSchemas } from './lib/check-schemas.ts';
import type { BenchOptions } from './lib/options.ts';
import { Ratchet } from './lib/ratchet.ts';
import { Report } from './lib/report.ts';

const SETS: Readonly<Record<string, { readonly prefix: string; readonly published?: number }>> = {
  BFCL: { prefix: 'BFCL', published: 100 },
  Kubernetes: { prefix: 'Kubernetes', published: 98.4 },
  Glaive: { prefix: 'Glaiveai2K', published: 96 },
  Snowplow: { prefix: 'Snowplow', published: 96 },
  'GitHub easy': { prefix: 'Github_easy', published: 94.2 },
  'GitHub trivial': { prefix: 'Github_trivial', published: 91.7 },
  'GitHub medium': { prefix: 'Github_medium', published: 85.5 },
  MCP: { prefix: 'MCPspec', published: 77.8 },
  WaPo: { prefix: 'WashingtonPost', published: 76.8 },
  JME: { prefix: 'JME' },
};
/** Schemas of all sets that other engines pass, of 11,306. */
const PUBLISHED = { LLGuidance: 9_489, XGrammar: 8_122, 'llama.cpp': 6_505, Outlines: 7_050 };
const PUBLISHED_OF = 11_306;

const PASS_LIMIT = 90;
const OVER_LIMIT = 0.3;
const SUITE_LIMIT = 940;
/** They demand that `format` be an annotation; here ten formats are enforced. */
const ANNOTATION = /is only an annotation by default$/;
const SUITE_PREFIX = 'suite:';
const SHOWN_REASONS = 40;
const SHOWN_WRONG = 20;

const MaskFile = z.object({ schema: z.unknown(), tests: z.array(z.unknown()) });
const SuiteFile = z.array(
  z.object({
    description: z.string(),
    schema: z.unknown(),
    tests: z.array(z.object({ description: z.string(), data: z.unknown(), valid: z.boolean() })),
  }),
);

export async function runMaskbench(options: BenchOptions): Promise<number> {
  const { only, every, update, signal } = options;
  const isPart = only !== undefined || every > 1;
  if (only !== undefined && !Object.hasOwn(SETS, only)) {
    throw new Error(`--only: no set ${only}, there are ${Object.keys(SETS).join(', ')}`);
  }
  const folder = mkdtempSync(join(tmpdir(), 'hearth-maskbench-'));
  try {
    const report = new Report('maskbench', 'Schemas that are enforced');
    const ratchet = Ratchet.read();
    const mask = unpack('maskbench', folder);
    if (mask !== undefined) {
      await measureSets(report, ratchet, fromMaskbench(mask, options), { isPart, signal });
    }
    const suite = only === undefined ? unpack('json-schema-test-suite', folder) : undefined;
    if (suite !== undefined) {
      await measureSuite(report, ratchet, thinned(fromSuite(suite), every), { isPart, signal });
    }
    if (mask === undefined && suite === undefined) return 0;
    if (update) {
      ratchet.write({ isPart });
      console.log('recorded: bench/recorded/maskbench.json');
    } else judgeRecord(report, ratchet);
    return report.finish({ isWritten: !isPart });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Part {
  readonly isPart: boolean;
  readonly signal: AbortSignal;
}

async function measureSets(
  report: Report,
  ratchet: Ratchet,
  asked: readonly Asked[],
  { isPart, signal }: Part,
): Promise<void> {
  const answers = await checkSchemas(asked, signal);
  for (const answer of answers) ratchet.see(String(answer.id), answer.result);
  const rows = Object.entries(SETS).flatMap(([name, { prefix, published }]) => {
    const own = answers.filter(({ id }) => setOf(String(id)) === prefix);
    if (own.length === 0) return [];
    if (published !== undefined && !isPart) {
      report.bar({ name: `${name} passed`, value: share(own, 'pass'), ...atLeast(published) });
    }
    return [rowOf(name, own, published === undefined ? '' : `${published.toFixed(1)} %`)];
  });
  const best = `${((PUBLISHED.LLGuidance / PUBLISHED_OF) * 100).toFixed(1)} %`;
  report.table(
    ['set', 'schemas', 'passed', '', ...COLUMNS, 'reordered', 'LLGuidance'],
    [...rows, rowOf('all', answers, best)],
  );
  const others = Object.entries(PUBLISHED).map(([name, count]) => `${name} ${count}`);
  report.note(`Published, of ${PUBLISHED_OF} schemas in all sets: ${others.join(', ')}.`);
  const times = answers.map(({ ms }) => ms).sort((a, b) => a - b);
  const at = (part: number) => String(times[Math.floor((times.length - 1) * part)]);
  report.table(
    ['compiled in, ms', ''],
    [
      ['p50', at(0.5)],
      ['p99', at(0.99)],
      ['max', at(1)],
    ],
  );
  showReasons(report, answers);
  showWrong(report, answers);
  none(report, answers, ['under', 'crash', 'timeout'], '');
  if (!isPart) {
    report.bar({ name: 'passed', value: share(answers, 'pass'), ...atLeast(PASS_LIMIT) });
    const over = { value: share(answers, 'over'), limit: OVER_LIMIT, rule: 'at most' } as const;
    report.bar({ name: 'a valid instance rejected', ...over, unit: ' %' });
  }
  report.data(
    'sets',
    answers.filter(({ result }) => result !== 'pass'),
  );
}

async function measureSuite(
  report: Report,
  ratchet: Ratchet,
  asked: readonly Asked[],
  { isPart, signal }: Part,
): Promise<void> {
  const answers = await checkSchemas(asked, signal);
  for (const answer of answers) ratchet.see(String(answer.id), answer.result);
  report.note('JSON-Schema-Test-Suite, required part of draft 2020-12, each test by itself:');
  report.table(['tests', 'passed', '', ...COLUMNS], [rowOf('', answers, '').slice(1, -2)]);
  const wrong = answers.filter(({ id }) => !ANNOTATION.test(String(id)));
  showWrong(report, wrong);
  none(report, wrong, ['under', 'over', 'crash', 'timeout'], 'suite: ');
  if (isPart) return;
  const value = answers.filter(({ result }) => result === 'pass').length;
  report.bar({ name: 'suite: passed', value, limit: SUITE_LIMIT, rule: 'at least', unit: '' });
}

function judgeRecord(report: Report, ratchet: Ratchet): void {
  if (!ratchet.isRecorded) {
    report.note('Nothing is recorded to compare with: `--update` records this run.');
    return;
  }
  const worse = ratchet.worse();
  for (const line of worse.slice(0, SHOWN_WRONG)) report.note(`- worse than recorded: ${line}`);
  report.bar({
    name: 'worse than recorded',
    value: worse.length,
    limit: 0,
    rule: 'at most',
    unit: '',
  });
  const better = ratchet.better();
  if (better > 0) report.note(`${better} are better than recorded: \`--update\` holds that.`);
}

const COLUMNS = ['refused', 'over', 'under', 'timeout', 'crash'] as const;

function rowOf(name: string, answers: readonly Answer[], published: string): string[] {
  const count = (result: string) => String(answers.filter((one) => one.result === result).length);
  const reordered = answers.filter((one) => one.reordered).length;
  const passed = `${share(answers, 'pass').toFixed(1)} %`;
  const counted = COLUMNS.map(count);
  return [
    name,
    String(answers.length),
    count('pass'),
    passed,
    ...counted,
    String(reordered),
    published,
  ];
}

function share(answers: readonly Answer[], result: string): number {
  return (answers.filter((one) => one.result === result).length / answers.length) * 100;
}

function atLeast(limit: number) {
  return { limit, rule: 'at least', unit: ' %' } as const;
}

function none(
  report: Report,
  answers: readonly Answer[],
  results: readonly Answer['result'][],
  before: string,
): void {
  for (const one of results) {
    const value = answers.filter(({ result }) => result === one).length;
    report.bar({ name: `${before}${one}`, value, limit: 0, rule: 'at most', unit: '' });
  }
}

/** What was refused, with the names and numbers of the schemas left out. */
function showReasons(report: Report, answers: readonly Answer[]): void {
  const counts = new Map<string, number>();
  for (const { result, keyword = '', why = '' } of answers) {
    if (result !== 'refused') continue;
    const reason = `\`${keyword}\`: ${why
      .replaceAll(/"[^"]*"/g, '…')
      .replaceAll('|', '\\|')
      .slice(0, 110)}`;
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  const rows = [...counts].sort((a, b) => b[1] - a[1]).map(([reason, n]) => [String(n), reason]);
  if (rows.length > 0) report.table(['refused', 'because'], rows.slice(0, SHOWN_REASONS));
}

function showWrong(report: Report, answers: readonly Answer[]): void {
  const wrong = answers.filter(({ result }) => result !== 'pass' && result !== 'refused');
  for (const { id, result, why } of wrong.slice(0, SHOWN_WRONG)) {
    report.note(`- ${result}: ${id}: ${why}`);
  }
}

function setOf(file: string): string {
  return file.split(file.includes('---') ? '---' : '_')[0]!;
}

function fromMaskbench(folder: string, { only, every }: BenchOptions): readonly Asked[] {
  const prefix = only === undefined ? undefined : SETS[only]?.prefix;
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.json') && (prefix ?? setOf(name)) === setOf(name))
    .sort();
  return thinned(files, every).map((id) => ({
    id,
    // 12345.0 must not become 12345 on the way.
    read: () => MaskFile.parse(parseSpelled(readFileSync(join(folder, id)))),
  }));
}

function fromSuite(folder: string): readonly Asked[] {
  const suite = join(folder, 'tests/draft2020-12');
  return readdirSync(suite)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((file) =>
      SuiteFile.parse(JSON.parse(readFileSync(join(suite, file), 'utf8'))).flatMap((group) =>
        group.tests.map((test) => ({
          id: `${SUITE_PREFIX}${file}: ${group.description}: ${test.description}`,
          read: () => ({ schema: group.schema, tests: [test] }),
        })),
      ),
    );
}

function thinned<T>(all: readonly T[], every: number): readonly T[] {
  return all.filter((_, index) => index % every === 0);
}

/** Undefined where the archive is not beside the project. */
function unpack(name: string, into: string): string | undefined {
  const archive = fileURLToPath(new URL(`../../shared/data/${name}.tar.xz`, import.meta.url));
  if (!existsSync(archive)) {
    console.log(`skipped: ${name}.tar.xz is not beside the project`);
    return undefined;
  }
  const folder = mkdtempSync(join(into, `${name}-`));
  execFileSync('tar', ['-xf', archive, '-C', folder]);
  return folder;
}
