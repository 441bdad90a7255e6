import { describe, expect, test } from 'vitest';

import { hubSettings, workerEnvironment } from '../../../src/cli/environment.ts';

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

describe('where models are pulled from', () => {
  test('is the hub itself, without a token, unless variables say otherwise', () => {
    const settings = hubSettings({});
    expect(settings.endpoint.href).toBe('https://huggingface.co/');
    expect(settings).toMatchObject({ token: undefined, isOffline: false });
    const mirror = {
      HF_ENDPOINT: 'https://mirror.example/hf',
      HF_TOKEN: ' hf_x\n',
      HF_HUB_OFFLINE: 'YES',
    };
    expect(hubSettings(mirror)).toMatchObject({ token: 'hf_x', isOffline: true });
    expect(hubSettings({ HF_TOKEN: '', HF_ENDPOINT: '' }).token).toBeUndefined();
    const proxies = { https_proxy: 'http://proxy:3128', NO_PROXY: 'localhost' };
    const { proxyEnvironment } = hubSettings({ ...proxies, HTTP_PROXY: '', PATH: '/bin' });
    expect(proxyEnvironment).toEqual(proxies);
  });

  test.each(['hub', 'file:///etc', 'https://me:it@hub', 'https://hub/?x=1'])(
    '%s is no hub',
    (text) => {
      expect(() => hubSettings({ HF_ENDPOINT: text })).toThrow(
        'HF_ENDPOINT is no address of a hub',
      );
    },
  );

  test('a token that cannot be one is refused, and not shown', () => {
    const refuse = () => hubSettings({ HF_TOKEN: 'hf_a\r\nx-evil: 1' });
    expect(refuse).toThrow('HF_TOKEN holds characters that no token has');
    expect(refuse).not.toThrow(/evil/);
  });
});
