/**
 * The keys of a server: the gate that looks at them, the log of what they use, and how those of the
 * configuration change while it runs.
 *
 * Errors  Error when other machines could reach the server and nobody has a key; KeyStoreError.
 */
import type { Config } from '../config/settings.ts';
import type { Clock } from '../core/clock.ts';
import type { Gate } from '../core/gate.ts';
import type { Log } from '../core/log.ts';
import type { UsageBook } from '../core/usage-book.ts';
import { KeyFile } from '../keys/key-file.ts';
import { KeyRing } from '../keys/key-ring.ts';
import { UsageLog } from '../keys/usage-log.ts';

export interface Keys extends Disposable {
  readonly gate: Gate;
  readonly usageBook: UsageBook;
  /** Throws as `openKeys` does; then the keys of before hold. */
  setConfigured(configured: Config['keys']): void;
  /** Of the table: a key that may use others is warned of. */
  setModels(models: readonly string[]): void;
}

const LOOPBACK = /^(localhost|::1|127\..+)$/;

export function openKeys(
  { server, keys: configured, paths }: Config,
  served: readonly string[],
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Keys {
  const file = new KeyFile(paths.stateDir);
  try {
    // What the configured ones use must be remembered, too.
    if (configured.length > 0) file.make();
    const wallMs = () => Date.now();
    const reachable = server.hosts.filter((host) => !LOOPBACK.test(host));
    const isPublic = reachable.length > 0;
    const gate = new KeyRing({ configured, file, isPublic, clock, wallMs, log });
    const assertSomebodyMayCome = (keys: Config['keys']) => {
      if (!isPublic || gate.validWith(keys).length > 0) return;
      throw new Error(
        `will not listen on ${reachable[0]}, where other machines can reach it, without an API key. Make one with "hearth key add NAME", or listen on 127.0.0.1.`,
      );
    };
    let models = served;
    const warnOfUnknownModels = () => {
      for (const { name, models: allowed = [] } of gate.valid) {
        const unknown = allowed.filter((model) => !models.includes(model));
        if (unknown.length > 0) {
          log.warn({ caller: name, unknown }, 'an API key may use models that are not configured');
        }
      }
    };
    assertSomebodyMayCome(configured);
    warnOfUnknownModels();
    const usageBook = new UsageLog({ file, wallMs, log });
    return {
      gate,
      usageBook,
      setConfigured: (keys) => {
        assertSomebodyMayCome(keys);
        if (keys.length > 0) file.make();
        gate.setConfigured(keys);
        warnOfUnknownModels();
      },
      setModels: (newer) => {
        models = newer;
        warnOfUnknownModels();
      },
      [Symbol.dispose]: () => {
        usageBook[Symbol.dispose]();
        file[Symbol.dispose]();
      },
    };
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}
