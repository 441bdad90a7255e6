/**
 * Fault 30: the n-th system call on a file of the state folder fails, or the n-th process cannot be made.
 *
 *   good folder ──server with the n-th call failing: serves and ends, or refuses to start──▶ looked at
 *     ▲                                                                                        │
 *     └───────────────────────────────────── next n ◀──────────────────────────────────────────┘
 *   and at the end a server without failures, in the same folder
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { KeyFile } from '../../../src/keys/key-file.ts';
import type { DayUsage } from '../../../src/keys/key-store.ts';
import { readRegistry } from '../../../src/orchestrator/registry/registry-file.ts';
import { makeKey } from '../../support/key-fixture.ts';
import type { Experiment } from '../experiment.ts';
import { FailingCalls, type Failure } from '../failing-calls.ts';
import type { World } from '../world.ts';

const KEY = 'sk-hearth-of-the-experiment';
const TOKENS = 30;
/** The second one kills a worker, so that another is made and the registry changes. */
const COMMANDS = ['', '[[die-once:1]]', ''];
/** A worker, and the one after it. */
const FORKS = 2;
const TRIES = 6;
const CRASH = 'a fault of Hearth itself';

/** Of the whole sweep, for every n. */
const WAYS: readonly Omit<Failure, 'at'>[] = [
  { calls: 'files', error: 'ENOSPC' },
  { calls: 'files', error: 'ENOSPC', isForGood: true, isTorn: true },
  { calls: 'files', error: 'EIO', isTorn: true },
  { calls: 'files', error: 'EIO', isForGood: true },
];

export const SYSCALLS: readonly Experiment[] = [
  {
    number: 30,
    name: 'one system call fails: served or refused in one line, and every file is whole',
    rules: { mayFailWith: [] },
    startsItself: true,
    cannotRun: () => FailingCalls.whyNot(),
    run: async (world) => {
      using state = new State(world);
      const count = await state.countCalls();
      // A server that finds its files makes fewer calls than the one that made them, so that the n-th may not come.
      for (let tries = 0; state.faults === 0 && tries < TRIES; tries++) {
        const file = { ...WAYS[world.below(WAYS.length)]!, at: 1 + world.below(count) };
        await state.runWith(world.below(4) === 0 ? forkFailure(1 + world.below(FORKS)) : file);
      }
      await state.runWithout();
      return { faults: state.faults, problems: state.problems };
    },
    whole: async (world) => {
      using state = new State(world);
      const count = await state.countCalls();
      for (let at = 1; at <= count; at++) {
        for (const way of WAYS) {
          await state.runWith({ ...way, at });
          await state.runWithout();
        }
      }
      for (let at = 1; at <= FORKS; at++) await state.runWith(forkFailure(at));
      await state.runWithout();
      return { faults: state.faults, problems: state.problems };
    },
  },
];

function forkFailure(at: number): Failure {
  return { calls: 'fork', at, error: 'EAGAIN' };
}

/** A state folder and the servers that come and go in it. */
class State implements Disposable {
  readonly problems: string[] = [];
  faults = 0;
  readonly #world: World;
  readonly #calls: FailingCalls;
  #requests = 0;

  constructor(world: World) {
    this.#world = world;
    this.#calls = new FailingCalls(world.stateDir);
    using file = new KeyFile(world.stateDir);
    file.make().add(makeKey('k', KEY, { limits: { tokensPerDay: 1e9 } }));
    world.key = KEY;
  }

  /** That a server without failures makes. */
  async countCalls(): Promise<number> {
    const { problems } = await this.#serve({ calls: 'files', at: 0, error: 'EIO' });
    this.problems.push(...problems);
    return this.#calls.failed.length;
  }

  async runWith(failure: Failure): Promise<void> {
    const { problems } = await this.#serve(failure);
    const [first] = this.#calls.failed;
    // By the time at which things happen a call may come too early or too late to be the n-th.
    if (first !== undefined) this.faults += 1;
    const when = failure.isForGood === true ? 'from' : 'in';
    for (const problem of problems) {
      this.problems.push(`${failure.error} ${when} call ${first}: ${problem}`);
    }
  }

  /** What was left is good for a server that serves, counts and ends. */
  async runWithout(): Promise<void> {
    const before = this.#requests;
    const { problems, isServed } = await this.#serve(undefined);
    const counted = this.#requests - before;
    if (!isServed || counted !== COMMANDS.length) {
      problems.push(`${counted} requests were counted of ${COMMANDS.length}`);
    }
    const read = readRegistry(this.#world.stateDir);
    if (read.kind !== 'good' || read.entries.length > 0) problems.push('the registry is not empty');
    for (const problem of problems) this.problems.push(`the next server: ${problem}`);
  }

  /** Starts, asks, ends, and looks at what is left. */
  async #serve(failure: Failure | undefined) {
    const world = this.#world;
    const problems: string[] = [];
    let refusal: string | undefined;
    try {
      await world.start([], failure === undefined ? {} : this.#calls.env(failure));
    } catch (error) {
      refusal = String(error);
      await world.stopServer();
    }
    if (refusal === undefined) {
      for (const commands of COMMANDS) await world.ask(TOKENS, { commands });
      const code = await world.stopServer();
      if (code !== 0) problems.push(`it ended with ${code}`);
      if (world.server.output().includes(CRASH)) problems.push('it says that it is at fault');
    } else if (failure?.calls === 'fork' || !isClear(refusal, world.stateDir)) {
      problems.push(`it did not start: ${refusal}`);
    }
    problems.push(...this.#look());
    return { problems, isServed: refusal === undefined };
  }

  #look(): readonly string[] {
    const { stateDir } = this.#world;
    const problems: string[] = [];
    const registry = readRegistry(stateDir);
    if (registry.kind === 'damaged') problems.push(`the registry is damaged: ${registry.reason}`);
    const memory = join(stateDir, 'memory.json');
    if (existsSync(memory)) JSON.parse(readFileSync(memory, 'utf8'));
    using file = new KeyFile(stateDir);
    using db = new DatabaseSync(file.path);
    const { integrity_check: verdict } = db.prepare('PRAGMA integrity_check').get() as {
      integrity_check: string;
    };
    if (verdict !== 'ok') problems.push(`the key file is damaged: ${verdict}`);
    const names = file.store?.keys().map(({ name }) => name);
    if (names?.join() !== 'k') problems.push(`the keys are ${names}`);
    const usage = file.store?.usageSince(0) ?? [];
    const sum = (of: (day: DayUsage) => number) => usage.reduce((all, day) => all + of(day), 0);
    const requests = sum((day) => day.requests);
    const tokens = sum((day) => day.generatedTokens);
    if (tokens !== requests * TOKENS) problems.push(`${tokens} tokens in ${requests} requests`);
    if (requests < this.#requests)
      problems.push(`of ${this.#requests} requests ${requests} are left`);
    this.#requests = requests;
    return problems;
  }

  [Symbol.dispose](): void {
    this.#calls[Symbol.dispose]();
  }
}

/** One line for people, naming what cannot be used, and exit 1. */
function isClear(refusal: string, stateDir: string): boolean {
  const [head = '', ...lines] = refusal.split('\n');
  const said = lines.filter((line) => line !== '' && !line.startsWith('{'));
  const isOne = said.length === 1 && said[0]!.startsWith('hearth: ') && said[0]!.includes(stateDir);
  return isOne && head.endsWith('hearth ended with 1:') && !refusal.includes(CRASH);
}
