/**
 * `npm run parity`: runs the conformance suite and writes the table of `docs/backends.md` from what it reports: what each
 * backend was seen to do. A row that has a gap is a test that was skipped there.
 *
 * Exits  0 · 1 a test of the suite failed, and the table stays as it was.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';

const root = fileURLToPath(new URL('..', import.meta.url));
const SUITE = 'tests/integration/backend-conformance.test.ts';
const PAGE = join(root, 'docs/backends.md');
const [FROM, TO] = ['<!-- parity: npm run parity -->', '<!-- /parity -->'];
const MARKS: Readonly<Record<string, string>> = { passed: '✓', failed: '✗' };

const ReportFile = z.looseObject({
  testResults: z.array(
    z.looseObject({
      assertionResults: z.array(
        z.looseObject({
          ancestorTitles: z.array(z.string()),
          title: z.string(),
          status: z.string(),
        }),
      ),
    }),
  ),
});
type Assertion = z.output<typeof ReportFile>['testResults'][number]['assertionResults'][number];

process.exitCode = main();

function main(): number {
  const assertions = runSuite();
  const failed = assertions.filter(({ status }) => status === 'failed');
  if (failed.length > 0 || assertions.length === 0) {
    console.error(
      `parity: ${failed.length} of ${assertions.length} tests failed; the table stays as it was`,
    );
    return 1;
  }
  const page = readFileSync(PAGE, 'utf8');
  const [before, after] = [page.split(FROM)[0], page.split(TO)[1]];
  writeFileSync(PAGE, `${before}${FROM}\n${tableOf(assertions)}\n${TO}${after}`);
  console.log(`wrote docs/backends.md from ${assertions.length} tests`);
  return 0;
}

function runSuite(): readonly Assertion[] {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-parity-'));
  try {
    const report = join(folder, 'report.json');
    const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', SUITE];
    spawnSync(process.execPath, [...args, '--reporter=json', `--outputFile.json=${report}`], {
      cwd: root,
      stdio: 'inherit',
    });
    const { testResults } = ReportFile.parse(JSON.parse(readFileSync(report, 'utf8')));
    return testResults.flatMap(({ assertionResults }) => assertionResults);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Backends side by side; the suite's describes are named after them, with a part behind a comma or "on". */
function tableOf(assertions: readonly Assertion[]): string {
  const backendOf = ({ ancestorTitles }: Assertion) =>
    ancestorTitles[0]!
      .replace(/, sampling$| on the real model$/, '')
      .replace(/^llama-cpp$/, 'llama-cpp, native objects');
  const backends = [...new Set(assertions.map(backendOf))];
  const features = [...new Set(assertions.map(({ title }) => title))];
  const rows = features.map((title) => {
    const marks = backends.map((backend) => {
      const found = assertions.find((one) => one.title === title && backendOf(one) === backend);
      return MARKS[found?.status ?? ''] ?? '–';
    });
    return `| ${title} | ${marks.join(' | ')} |`;
  });
  const head = `| | ${backends.join(' | ')} |\n|---|${backends.map(() => ':-:').join('|')}|`;
  return `${head}\n${rows.join('\n')}`;
}
