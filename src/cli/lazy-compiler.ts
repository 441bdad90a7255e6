/**
 * The compiler of constraints, whose code is imported and whose children are started when somebody asks for
 * structured output: nobody else pays for them.
 *
 *   unused ──first constraint──▶ used ──close()──▶ closed
 */

import type { Clock } from '../core/clock.ts';
import type { ConstraintCompiler } from '../core/constraint.ts';
import type { Log } from '../core/log.ts';
import type { HeartbeatSettings } from '../ipc/heartbeat.ts';
import type { CompilerPool } from '../orchestrator/compiler/compiler-pool.ts';
import { spawnRegistered, type WorkerRegister } from '../orchestrator/registry/spawn-registered.ts';
import { compilerSpec } from './compiler-spec.ts';

export interface LazyCompilerOptions {
  readonly register: WorkerRegister;
  /** Of the children. */
  readonly environment: Readonly<Record<string, string>>;
  readonly heartbeat: HeartbeatSettings;
  /** May change: read for each constraint. */
  readonly limits: { readonly schemaMaxBytes: number; readonly schemaMaxDepth: number };
  readonly clock: Clock;
  readonly log: Log;
}

const HEAP_MB = 512;

export class LazyCompiler implements ConstraintCompiler {
  readonly #options: LazyCompilerOptions;
  #pool: Promise<CompilerPool> | undefined;
  #isClosed = false;

  constructor(options: LazyCompilerOptions) {
    this.#options = options;
  }

  async compile(...args: Parameters<ConstraintCompiler['compile']>) {
    return (await this.#opened()).compile(...args);
  }

  async check(...args: Parameters<ConstraintCompiler['check']>) {
    return (await this.#opened()).check(...args);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await (await this.#pool)?.close();
  }

  #opened(): Promise<CompilerPool> {
    this.#pool ??= this.#open();
    return this.#pool;
  }

  async #open(): Promise<CompilerPool> {
    const { register, environment, heartbeat, limits, clock, log } = this.#options;
    const { CompilerPool } = await import('../orchestrator/compiler/compiler-pool.ts');
    const pool = new CompilerPool({
      spawn: (number) => {
        const spec = compilerSpec(number, { environment, heartbeat, heapMb: HEAP_MB });
        return spawnRegistered(spec, register);
      },
      limits,
      clock,
      log: log.child({ part: 'compiler' }),
    });
    if (this.#isClosed) await pool.close();
    return pool;
  }
}
