/**
 * A network between clients and server that is slow or stands still when it is told to: the program
 * tests/fixtures/narrow_proxy.py, which says why it is one of its own. Ends when it is disposed of, and all
 * connections through it with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../fixtures/narrow_proxy.py', import.meta.url));

export class NarrowProxy implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  private constructor(child: ChildProcess, lines: Interface, port: number) {
    this.#child = child;
    this.#lines = lines;
    this.port = port;
  }

  static async start(serverPort: number): Promise<NarrowProxy> {
    const child = spawn('python3', [PROGRAM, String(serverPort)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout });
    const [first] = await Promise.race([once(lines, 'line'), once(child, 'exit')]);
    if (typeof first !== 'string') throw new Error(`the proxy ended with ${first}`);
    return new NarrowProxy(child, lines, Number(first));
  }

  /** Resolves when it is so: `still` once the server has sent so many more bytes. */
  async be(mode: 'slow' | `still ${number}`): Promise<void> {
    const heard = once(this.#lines, 'line');
    this.#child.stdin!.write(`${mode}\n`);
    await heard;
  }

  /** Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.stdin!.end();
    await exited;
  }
}
