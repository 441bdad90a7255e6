/**
 * Is there a GPU that is not used because its package is not installed? On Linux the CUDA and
 * Vulkan builds of the native library (600 MB) are not installed by default; Apple Silicon has Metal
 * in the package that it gets anyway.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

import { type Check, good, warn } from './check.ts';

const NATIVE_PACKAGE = 'node-llama-cpp';

export interface GpuFacts {
  readonly platform: string;
  readonly arch: string;
  readonly hasNvidia: boolean;
  readonly hasRenderNode: boolean;
  /** What the native library found it can compute on; undefined when it does not load. */
  readonly inUse: string | undefined;
  readonly isInstalled: (name: string) => boolean;
  readonly version: string;
}

export function checkGpu(inUse: string | undefined): Check {
  return judgeGpu({
    platform: process.platform,
    arch: process.arch,
    hasNvidia: existsSync('/proc/driver/nvidia/version') || existsSync('/dev/nvidia0'),
    hasRenderNode: existsSync('/dev/dri') && readdirSync('/dev/dri').some(isRenderNode),
    inUse,
    isInstalled,
    version: nativeVersion(),
  });
}

export function judgeGpu(facts: GpuFacts): Check {
  const { platform, arch, hasNvidia, hasRenderNode, inUse, isInstalled, version } = facts;
  if (inUse !== undefined && inUse !== 'off') return good('GPU', `${inUse} is used`);
  if (platform === 'darwin') {
    return warn('GPU', 'Metal is not used', 'Metal needs Apple Silicon and a session with a GPU.');
  }
  const kind = hasNvidia ? 'cuda' : hasRenderNode ? 'vulkan' : undefined;
  if (kind === undefined || arch !== 'x64')
    return good('GPU', 'none that Hearth knows; the CPU computes');
  const packages =
    kind === 'cuda'
      ? ['@node-llama-cpp/linux-x64-cuda', '@node-llama-cpp/linux-x64-cuda-ext']
      : ['@node-llama-cpp/linux-x64-vulkan'];
  const missing = packages.filter((name) => !isInstalled(name));
  const found = `${hasNvidia ? 'an NVIDIA GPU' : 'a GPU'} is there and not used`;
  if (missing.length === 0) {
    return warn('GPU', found, `The ${kind} package is installed; check the GPU's driver.`);
  }
  const names = missing.map((name) => `${name}@${version}`).join(' ');
  return warn('GPU', found, `To use it: npm install --no-save ${names}`);
}

/** Version of the native library's package, or `unknown` when it is not installed. */
export function nativeVersion(): string {
  try {
    const entry = import.meta.resolve(NATIVE_PACKAGE);
    const text = readFileSync(new URL('../package.json', entry), 'utf8');
    return String((JSON.parse(text) as { version: unknown }).version);
  } catch {
    // The native check says what is wrong.
    return 'unknown';
  }
}

function isInstalled(name: string): boolean {
  try {
    import.meta.resolve(name);
    return true;
  } catch {
    // The one thing this call can say.
    return false;
  }
}

function isRenderNode(name: string): boolean {
  return name.startsWith('renderD');
}
