/**
 * A copy of Hearth whose worker program is another one: what a person has who installed a broken build.
 * So a fault of a worker meets the server as it is, and no option of the server exists for it.
 *
 * The other program is one of tests/fixtures/workers. Orders for it lie beside it as `orders.json`.
 */
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export class Installation implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'hearth-installation-'));

  constructor() {
    for (const part of ['src', 'package.json']) {
      cpSync(join(ROOT, part), join(this.#folder, part), { recursive: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(this.#folder, 'node_modules'));
  }

  get program(): string {
    return join(this.#folder, 'src', 'cli', 'main.ts');
  }

  /** The worker that is started from now on. */
  setWorker(fixture: string, orders: object): void {
    const program = new URL(`../fixtures/workers/${fixture}.ts`, import.meta.url);
    const worker = join(this.#folder, 'src', 'worker');
    writeFileSync(join(worker, 'orders.json'), JSON.stringify(orders));
    writeFileSync(join(worker, 'main.ts'), `await import(${JSON.stringify(program.href)});\n`);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
