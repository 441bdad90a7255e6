import { describe, expect, test } from 'vitest';

import { workerEnvironment } from '../../../src/cli/environment.ts';

describe('workerEnvironment', () => {
  test('hands down what a worker needs and no secret of the shell', () => {
    const environment = {
      PATH: '/bin',
      HOME: '/h',
      LANG: 'C.UTF-8',
      CUDA_VISIBLE_DEVICES: '0',
      OPENAI_API_KEY: 'secret',
      HF_TOKEN: 'secret',
      NODE_OPTIONS: '--require /tmp/x.js',
      LD_PRELOAD: '/tmp/x.so',
      TZ: undefined,
    };
    expect(workerEnvironment(environment, '/cache')).toEqual({
      PATH: '/bin',
      HOME: '/h',
      LANG: 'C.UTF-8',
      CUDA_VISIBLE_DEVICES: '0',
      NODE_COMPILE_CACHE: '/cache',
    });
  });

  test('without a cache says nothing of one', () => {
    expect(workerEnvironment({}, undefined)).toEqual({});
  });
});
