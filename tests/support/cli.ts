/**
 * Runs `bin/hearth.js` as a user does, in a folder and with an environment of its own.
 *
 * Nothing here waits for a time: `untilLine` ends with the line, with the end of the process, or
 * with the limit of the test.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LAUNCHER = fileURLToPath(new URL('../../bin/hearth.js', import.meta.url));
const BRIDGE = fileURLToPath(new URL('../fixtures/terminal_bridge.py', import.meta.url));

/** A folder with a home in it, so that no configuration of the machine is seen. */
export class CliHome implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'hearth-cli-'));

  path(name: string): string {
    return join(this.dir, name);
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text);
    return this.path(name);
  }

  /** A script of the fake backend; `{}` echoes. */
  fakeModel(script: object = {}, name = 'fake.json'): string {
    return this.write(name, JSON.stringify(script));
  }

  start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): CliProcess {
    return this.#spawn(process.execPath, [LAUNCHER, ...args], environment);
  }

  /** On a terminal of its own: what is shown comes as stdout, what is typed is `type`d. */
  startOnTerminal(args: readonly string[]): CliProcess {
    const environment = { TERM: 'xterm' };
    return this.#spawn('python3', [BRIDGE, process.execPath, LAUNCHER, ...args], environment);
  }

  #spawn(
    program: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>>,
  ): CliProcess {
    const child = spawn(program, args, {
      cwd: this.dir,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: this.dir,
        TMPDIR: process.env.TMPDIR ?? tmpdir(),
        ...environment,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    return new CliProcess(child);
  }

  /** Nobody reads its stderr: once the pipe is full, it stays full. */
  startUnread(args: readonly string[], environment: Readonly<Record<string, string>>): CliProcess {
    const cli = this.start(args, environment);
    cli.stopReadingErrors();
    return cli;
  }

  /** Runs to the end with `input` on stdin. */
  async run(
    args: readonly string[],
    { input = '', environment = {} }: { input?: string; environment?: Record<string, string> } = {},
  ): Promise<CliResult> {
    const cli = this.start(args, environment);
    cli.endInput(input);
    const code = await cli.exited;
    return { code, stdout: cli.stdout, stderr: cli.stderr };
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Listening {
  readonly url: string;
  readonly port: number;
  readonly admin_port: number;
  readonly pid: number;
}

export class CliProcess implements AsyncDisposable {
  /** Exit code, or 128 and the number of the signal. */
  readonly exited: Promise<number>;
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();
  #hasExited = false;
  #isUnread = false;
  #stdout = '';
  #stderr = '';
  /** How much of stdout `untilText` has gone past. */
  #seen = 0;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#changed();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#changed();
    });
    child.stdin?.on('error', () => {}); // it has ended without reading: its exit code says so
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject);
      const onEnd = (code: number | null) => {
        this.#hasExited = true;
        this.#changed();
        resolve(code ?? 255);
      };
      child.once('close', onEnd);
      // 'close' waits for all that was written to be read.
      child.once('exit', (code) => {
        if (this.#isUnread) onEnd(code);
      });
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  endInput(text: string): void {
    this.#child.stdin?.end(text);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The first stdout line that `pattern` matches. Rejects when the process ends without it. */
  untilLine(pattern: RegExp): Promise<string> {
    return this.#until(pattern, () => this.#stdout);
  }

  untilErrorLine(pattern: RegExp): Promise<string> {
    return this.#until(pattern, () => this.#stderr);
  }

  stopReadingErrors(): void {
    this.#isUnread = true;
    this.#child.stderr?.pause();
  }

  /** As a reader that has seen enough. */
  closeOutput(): void {
    this.#child.stdout?.destroy();
  }

  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  /** What stdout says up to the end of `pattern`, from where the last call ended. */
  untilText(pattern: RegExp): Promise<string> {
    return this.#wait(pattern, () => {
      const found = pattern.exec(this.#stdout.slice(this.#seen));
      if (found === null) return undefined;
      const from = this.#seen;
      this.#seen += found.index + found[0].length;
      return this.#stdout.slice(from, this.#seen);
    });
  }

  /** With `--json`: where it listens, once a model is ready. */
  async untilReady(): Promise<Listening> {
    const line = await this.untilLine(/"event":"listening"/);
    await this.untilLine(/"event":"ready"/);
    return JSON.parse(line) as Listening;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasExited) return;
    this.kill('SIGTERM');
    await this.exited;
  }

  #until(pattern: RegExp, text: () => string): Promise<string> {
    return this.#wait(pattern, () =>
      text()
        .split('\n')
        .slice(0, -1)
        .find((line) => pattern.test(line)),
    );
  }

  #wait(pattern: RegExp, find: () => string | undefined): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = find();
        if (found === undefined && !this.#hasExited) return;
        this.#watchers.delete(look);
        if (found !== undefined) resolve(found);
        else reject(new Error(`ended without ${pattern}\n${this.#stdout}\n${this.#stderr}`));
      };
      this.#watchers.add(look);
      look();
    });
  }

  #changed(): void {
    for (const look of this.#watchers) look();
  }
}
