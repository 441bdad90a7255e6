import { describe, expect, test } from 'vitest';

import { type GpuFacts, judgeGpu } from '../../../../src/cli/doctor/gpu.ts';

const linux: GpuFacts = {
  platform: 'linux',
  arch: 'x64',
  hasNvidia: false,
  hasRenderNode: false,
  inUse: 'off',
  isInstalled: () => false,
  version: '3.21.1',
};

describe('judgeGpu', () => {
  test.each([
    ['a GPU in use', { inUse: 'metal', platform: 'darwin' }, 'good', 'metal is used', undefined],
    ['no GPU', {}, 'good', 'none that Hearth knows', undefined],
    [
      'an NVIDIA GPU without its packages',
      { hasNvidia: true },
      'warn',
      'an NVIDIA GPU is there and not used',
      'npm install --no-save @node-llama-cpp/linux-x64-cuda@3.21.1 @node-llama-cpp/linux-x64-cuda-ext@3.21.1',
    ],
    [
      'another GPU without its package',
      { hasRenderNode: true },
      'warn',
      'a GPU is there and not used',
      'npm install --no-save @node-llama-cpp/linux-x64-vulkan@3.21.1',
    ],
    [
      'a package without a driver',
      { hasNvidia: true, isInstalled: () => true },
      'warn',
      'not used',
      "check the GPU's driver",
    ],
    [
      'a GPU on a machine without such packages',
      { hasRenderNode: true, arch: 'arm64' },
      'good',
      'none',
      undefined,
    ],
    [
      'a Mac without Metal',
      { platform: 'darwin', arch: 'arm64' },
      'warn',
      'Metal is not used',
      'Metal needs Apple Silicon',
    ],
    ['a native library that does not load', { inUse: undefined }, 'good', 'none', undefined],
  ] as const)('%s', (_what, facts, status, found, advice) => {
    const check = judgeGpu({ ...linux, ...facts });
    expect(check.status).toBe(status);
    expect(check.found).toContain(found);
    if (advice === undefined) expect(check.advice).toBeUndefined();
    else expect(check.advice).toContain(advice);
  });
});
