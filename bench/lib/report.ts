/**
 * A bench's result: tables and bars, printed as they come and written as Markdown and JSON under
 * `bench/results/`, named by date and bench. No host names and no paths stand in it.
 *
 * A bar that is not met, or was never measured, makes the bench exit non-zero.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const RESULTS = fileURLToPath(new URL('../results/', import.meta.url));

export interface Bar {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  readonly rule: 'at least' | 'at most';
  readonly unit: string;
}

export class Report {
  readonly #name: string;
  readonly #title: string;
  readonly #lines: string[] = [];
  readonly #bars: Bar[] = [];
  readonly #data: Record<string, unknown> = {};

  constructor(name: string, title: string) {
    this.#name = name;
    this.#title = title;
  }

  note(text: string): void {
    this.#lines.push(text, '');
    console.log(text);
  }

  table(headings: readonly string[], rows: readonly (readonly string[])[]): void {
    const lines = [headings, headings.map(() => '---'), ...rows].map(
      (row) => `| ${row.join(' | ')} |`,
    );
    this.#lines.push(...lines, '');
    console.log(`${lines.join('\n')}\n`);
  }

  /** Every single figure behind the tables. */
  data(key: string, value: unknown): void {
    this.#data[key] = value;
  }

  bar(bar: Bar): void {
    this.#bars.push(bar);
  }

  /** Writes both files, unless told not to, and returns the exit code. */
  finish({ isWritten = true }: { readonly isWritten?: boolean } = {}): number {
    const failed = this.#bars.filter((bar) => !isMet(bar));
    if (this.#bars.length > 0) {
      this.table(
        ['bar', 'limit', 'measured', ''],
        this.#bars.map((bar) => [
          bar.name,
          `${bar.rule} ${bar.limit}${bar.unit}`,
          `${Number(bar.value.toPrecision(4))}${bar.unit}`,
          isMet(bar) ? 'met' : '**missed**',
        ]),
      );
    }
    if (isWritten) this.#write();
    for (const bar of failed) console.error(`missed: ${bar.name}`);
    return failed.length === 0 ? 0 : 1;
  }

  #write(): void {
    const facts = machineFacts();
    const date = new Date().toISOString().slice(0, 10);
    mkdirSync(RESULTS, { recursive: true });
    const head = Object.entries(facts).map(([key, value]) => `- ${key}: ${value}`);
    const text = [`# ${this.#title}`, '', ...head, '', ...this.#lines].join('\n');
    writeFileSync(`${RESULTS}${date}-${this.#name}.md`, `${text.trimEnd()}\n`);
    const json = { name: this.#name, ...facts, bars: this.#bars, ...this.#data };
    writeFileSync(`${RESULTS}${date}-${this.#name}.json`, `${JSON.stringify(json, round, 2)}\n`);
    console.log(`written: bench/results/${date}-${this.#name}.md`);
  }
}

function isMet({ value, limit, rule }: Bar): boolean {
  // A comparison with NaN is false: what was not measured is not met.
  return rule === 'at least' ? value >= limit : value <= limit;
}

/** Six digits are more than any clock here gives, and keep the files readable. */
function round(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(6)) : value;
}

function machineFacts(): Record<string, string> {
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' ').concat(' UTC'),
    commit: commitOf(ROOT),
    machine: `${process.platform} ${process.arch}, ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    instructions: instructionSets(),
    node: process.version,
    'node-llama-cpp': packageVersion('node-llama-cpp'),
  };
}

function commitOf(folder: string): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: folder, encoding: 'utf8' }).trim();
  const isChanged = git('status', '--porcelain', '--untracked-files=no', '--', 'src', 'bin') !== '';
  return `${git('rev-parse', '--short=12', 'HEAD')}${isChanged ? ' with changes' : ''}`;
}

/** What the kernels choose by. */
function instructionSets(): string {
  const known = ['avx2', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'amx_int8'];
  const flags =
    readFileSync('/proc/cpuinfo', 'utf8')
      .match(/^flags\s*:(.*)$/m)?.[1]
      ?.split(' ') ?? [];
  return known.filter((name) => flags.includes(name)).join(' ') || 'unknown';
}

export function packageVersion(name: string): string {
  const text = readFileSync(`${ROOT}node_modules/${name}/package.json`, 'utf8');
  return String((JSON.parse(text) as { version?: unknown }).version);
}
