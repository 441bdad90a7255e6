/**
 * What became of each schema when it was last recorded: `bench/recorded/maskbench.json`, by result, the ids of all
 * that did not pass. A later run may do better and not worse.
 *
 *   read ──see() for each──▶ worse(), better() ──▶ write()
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

import { EXAMINE_RESULTS, type ExamineResult } from '../../src/ipc/compiler-protocol.ts';
import { ROOT } from './report.ts';

const FILE = join(ROOT, 'bench/recorded/maskbench.json');
const Recorded = z.partialRecord(z.enum(EXAMINE_RESULTS), z.array(z.string()));

/** From best to worst: a wrong answer is worse than none. */
const ORDER: readonly ExamineResult[] = ['pass', 'refused', 'over', 'timeout', 'crash', 'under'];

export class Ratchet {
  /** Undefined where nothing was recorded. */
  readonly #recorded: ReadonlyMap<string, ExamineResult> | undefined;
  readonly #seen = new Map<string, ExamineResult>();

  constructor(recorded: ReadonlyMap<string, ExamineResult> | undefined) {
    this.#recorded = recorded;
  }

  static read(file = FILE): Ratchet {
    if (!existsSync(file)) return new Ratchet(undefined);
    const recorded = Recorded.parse(JSON.parse(readFileSync(file, 'utf8')));
    const entries = ORDER.flatMap((result) =>
      (recorded[result] ?? []).map((id) => [id, result] as const),
    );
    return new Ratchet(new Map(entries));
  }

  get isRecorded(): boolean {
    return this.#recorded !== undefined;
  }

  see(id: string, result: ExamineResult): void {
    this.#seen.set(id, result);
  }

  /** Lines such as `a.json: over, was pass`. */
  worse(): readonly string[] {
    return [...this.#seen].flatMap(([id, result]) =>
      rank(result) > rank(this.#was(id)) ? [`${id}: ${result}, was ${this.#was(id)}`] : [],
    );
  }

  better(): number {
    return [...this.#seen].filter(([id, result]) => rank(result) < rank(this.#was(id))).length;
  }

  /** Of a part of them: what was not seen stays as it was. */
  write({ isPart, file = FILE }: { readonly isPart: boolean; readonly file?: string }): void {
    const all = new Map([...(isPart ? (this.#recorded ?? []) : []), ...this.#seen]);
    const text = ORDER.filter((result) => result !== 'pass').flatMap((result) => {
      const ids = [...all]
        .filter(([, own]) => own === result)
        .map(([id]) => id)
        .sort();
      return ids.length === 0 ? [] : [[result, ids]];
    });
    writeFileSync(file, `${JSON.stringify(Object.fromEntries(text), undefined, 1)}\n`);
  }

  #was(id: string): ExamineResult {
    return this.#recorded?.get(id) ?? 'pass';
  }
}

function rank(result: ExamineResult): number {
  return ORDER.indexOf(result);
}
