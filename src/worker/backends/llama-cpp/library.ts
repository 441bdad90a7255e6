/**
 * Opens node-llama-cpp's native half. On Linux the library first starts a Node process to see whether its binary
 * runs here, at every load: 330 of the 340 ms that opening takes. A worker *is* a process that may die of its
 * binary, so this opens it at once where there is only the one for the CPU, and leaves every other case, and
 * whatever goes wrong, to the library.
 *
 * Errors  those of `getLlama`.
 * Source  node-llama-cpp 3.21.1, `dist/bindings/getLlama.js`, `loadExistingLlamaBinary`; the pinned version's
 *         internals, as in `addon.ts`: `tests/integration/llama-load.test.ts` fails where they change.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { getLlama, Llama, type LlamaOptions } from 'node-llama-cpp';

/** What `Llama._create` takes, as far as we fill it in. */
interface Creation {
  readonly bindings: unknown;
  readonly bindingPath: string;
  readonly buildType: 'prebuilt';
  readonly buildMetadata: unknown;
  readonly logLevel: LlamaOptions['logLevel'];
  readonly logger: LlamaOptions['logger'];
  readonly maxThreads: number | undefined;
  readonly vramPadding: number;
  readonly ramPadding: number;
}

const GPU_KINDS = ['cuda', 'vulkan'];

/** `isDirect`: without the library's trial of its binary. */
export async function openLibrary(
  options: LlamaOptions,
): Promise<{ readonly llama: Llama; readonly isDirect: boolean }> {
  const llama = await openDirectly(options).catch(() => undefined);
  return llama === undefined
    ? { llama: await getLlama(options), isDirect: false }
    : { llama, isDirect: true };
}

/** Undefined where it is the library's to choose a binary. */
async function openDirectly(options: LlamaOptions): Promise<Llama | undefined> {
  const create = (Llama as unknown as { _create?(creation: Creation): Promise<Llama> })._create;
  const { gpu, logLevel, logger, maxThreads } = options;
  if (process.platform !== 'linux' || create === undefined) return undefined;
  const ofLibrary = createRequire(import.meta.resolve('node-llama-cpp'));
  const isThere = (name: string) => {
    try {
      return ofLibrary.resolve(name);
    } catch {
      return undefined;
    }
  };
  const name = `@node-llama-cpp/linux-${process.arch}`;
  const entry = isThere(name);
  const mayHaveGpu = GPU_KINDS.some((kind) => isThere(`${name}-${kind}`) !== undefined);
  const isForCpu = gpu === false || (gpu === 'auto' && !mayHaveGpu);
  if (entry === undefined || !isForCpu) return undefined;

  const { getBinsDir } = (await import(pathToFileURL(entry).href)) as {
    getBinsDir(): { readonly binsDir: string };
  };
  const folder = join(getBinsDir().binsDir, `linux-${process.arch}`);
  const bindingPath = join(folder, 'llama-addon.node');
  return create.call(Llama, {
    bindings: ofLibrary(bindingPath),
    bindingPath,
    buildType: 'prebuilt',
    buildMetadata: ofLibrary(join(folder, '_nlcBuildMetadata.json')),
    logLevel,
    logger,
    maxThreads,
    // The orchestrator owns memory; nothing here is fitted to what is free.
    vramPadding: 0,
    ramPadding: 0,
  });
}
