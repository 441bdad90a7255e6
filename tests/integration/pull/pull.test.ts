/** Pulling from a hub that behaves, over real sockets. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';

import { listPulled } from '../../../src/models/pull/pulled-models.ts';
import { COMMIT, ggufNoise, LocalHub, sha256Of, TOKEN } from '../../support/hub.ts';
import { FAST, PullFolder } from './pull-folder.ts';

const MIB = 2 ** 20;

test('a file is fetched in ranges, checked, and there under the name of its repository', async () => {
  await using hub = await LocalHub.start();
  using folder = new PullFolder(hub);
  const content = ggufNoise(20 * MIB);
  hub.repositories.set('acme/Tiny-GGUF', {
    files: { 'README.md': Buffer.from('hello'), 'tiny-Q4_K_M.gguf': content },
    licence: 'apache-2.0',
  });
  const done = await folder.pull('acme/Tiny-GGUF');
  expect(done).toMatchObject({ name: 'tiny', quant: 'Q4_K_M', revision: COMMIT, change: 'new' });
  expect(done.path).toBe(folder.path('tiny', 'tiny-Q4_K_M.gguf'));
  expect(readFileSync(done.path).equals(content)).toBe(true);
  expect(folder.list()).toEqual(['tiny', 'tiny/manifest.json', 'tiny/tiny-Q4_K_M.gguf']);
  const [model] = listPulled(folder.dir).models;
  expect(model?.manifest).toMatchObject({
    reference: 'acme/Tiny-GGUF',
    licence: 'apache-2.0',
    files: [{ name: 'tiny-Q4_K_M.gguf', bytes: 20 * MIB, sha256: sha256Of(content) }],
  });
  expect(hub.storeRequests.length).toBeGreaterThan(3);
  expect(hub.bytesSent).toBe(20 * MIB);
  const last = folder.events.findLast((one) => one.event === 'progress');
  expect(last).toMatchObject({ bytes: 20 * MIB, totalBytes: 20 * MIB });
});

test('pulled again, nothing is fetched; a newer revision takes the place of the older', async () => {
  await using hub = await LocalHub.start();
  using folder = new PullFolder(hub);
  const files = { 'm-Q8_0.gguf': ggufNoise(MIB) };
  hub.repositories.set('acme/m', { files });
  await folder.pull('acme/m');
  const { bytesSent } = hub;
  expect(await folder.pull('acme/m')).toMatchObject({ change: 'none' });
  const commit = 'b'.repeat(40);
  hub.repositories.set('acme/m', { files: { ...files, 'README.md': Buffer.from('x') }, commit });
  expect(await folder.pull('acme/m')).toMatchObject({ change: 'none', revision: commit });
  expect(hub.bytesSent).toBe(bytesSent);

  const newer = ggufNoise(2 * MIB, 'newer');
  hub.repositories.set('acme/m', { files: { 'm-Q8_0.gguf': newer }, commit: 'c'.repeat(40) });
  const done = await folder.pull('acme/m');
  expect(done).toMatchObject({ change: 'updated', bytes: 2 * MIB });
  expect(readFileSync(done.path).equals(newer)).toBe(true);
  expect(folder.list()).toEqual(['m', 'm/m-Q8_0.gguf', 'm/manifest.json']);
});

test('a split GGUF is fetched whole, its first file first, out of its folder', async () => {
  await using hub = await LocalHub.start();
  using folder = new PullFolder(hub);
  const part = (number: number) => `Q4_K_M/big-Q4_K_M-0000${number}-of-00003.gguf`;
  hub.repositories.set('acme/big', {
    files: Object.fromEntries([3, 1, 2].map((n) => [part(n), ggufNoise(MIB + n, `${n}`)])),
  });
  const done = await folder.pull('acme/big');
  expect(done.path).toBe(folder.path('big', 'big-Q4_K_M-00001-of-00003.gguf'));
  expect(folder.list()).toHaveLength(5);
  expect(done.bytes).toBe(3 * MIB + 6);
});

test('an MLX folder is fetched with what belongs to it, and no code', async () => {
  await using hub = await LocalHub.start();
  using folder = new PullFolder(hub);
  const small = (text: string) => Buffer.from(text);
  hub.repositories.set('mlx-community/m-4bit', {
    library: 'mlx',
    tags: ['mlx'],
    files: {
      'README.md': small('x'),
      'config.json': small('{}'),
      'tokenizer.json': ggufNoise(2000),
      'chat_template.jinja': small('{{ x }}'),
      'modeling.py': small('import os'),
      'onnx/model.safetensors': ggufNoise(3000),
      'model.safetensors': ggufNoise(2 * MIB),
    },
  });
  const done = await folder.pull('mlx-community/m-4bit');
  expect(done).toMatchObject({ format: 'mlx', path: folder.path('m-4bit') });
  expect(folder.list()).toEqual([
    'm-4bit',
    ...[
      'chat_template.jinja',
      'config.json',
      'manifest.json',
      'model.safetensors',
      'tokenizer.json',
    ].map((name) => `m-4bit/${name}`),
  ]);
  expect(folder.notes).toEqual(['left out modeling.py: code of a model is never run']);
});

test('the token goes to the hub alone, and is in no event', async () => {
  await using hub = await LocalHub.start();
  using folder = new PullFolder(hub);
  hub.repositories.set('acme/m', { files: { 'm-Q8_0.gguf': ggufNoise(MIB) }, isGated: true });
  await folder.pull('acme/m', { token: TOKEN });
  const at = (place: string) => hub.requests.filter((request) => request.place === place);
  expect(new Set(at('hub').map(({ authorization }) => authorization))).toEqual(
    new Set([`Bearer ${TOKEN}`]),
  );
  expect(new Set(at('store').map(({ authorization }) => authorization))).toEqual(
    new Set([undefined]),
  );
  expect(JSON.stringify(folder.events)).not.toContain(TOKEN);
  expect(JSON.stringify(folder.events)).not.toContain('signature');
});

test('two pulls of a model at once fetch it once, and the second says that it waits', async () => {
  await using hub = await LocalHub.start();
  using folder = new PullFolder(hub);
  hub.repositories.set('acme/m', { files: { 'm-Q8_0.gguf': ggufNoise(8 * MIB) } });
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  hub.fault = ({ place }) => (place === 'store' ? { kind: 'wait', until: released } : undefined);
  const second: string[] = [];
  const first = folder.pull('acme/m', { tuning: { ...FAST, silenceMs: 30_000 } });
  await hub.until(() => hub.storeRequests.length > 0);
  const waiting = Promise.withResolvers<void>();
  const later = folder.pull('acme/m', {
    onEvent: (event) => {
      second.push(event.event);
      if (event.event === 'waiting') waiting.resolve();
    },
  });
  await waiting.promise;
  release();
  expect(await first).toMatchObject({ change: 'new' });
  expect(await later).toMatchObject({ change: 'none' });
  expect(second).toEqual(['waiting', 'resolved', 'chosen']);
  expect(hub.bytesSent).toBe(8 * MIB);
});

test('a name that is taken by another model is not overwritten', async () => {
  await using hub = await LocalHub.start();
  using folder = new PullFolder(hub);
  const files = { 'm-Q8_0.gguf': ggufNoise(MIB), 'm-Q4_0.gguf': ggufNoise(MIB / 2) };
  hub.repositories.set('acme/m', { files });
  hub.repositories.set('other/m', { files });
  await folder.pull('acme/m:Q8_0');
  await expect(folder.pull('other/m')).rejects.toThrow(
    'there is a model m already, from acme/m. Choose another name with --name, or remove it with "hearth rm m".',
  );
  await expect(folder.pull('acme/m:q4_0')).rejects.toThrow('a model m already, with Q8_0');
  expect(await folder.pull('acme/m:q4_0', { name: 'm-small' })).toMatchObject({ quant: 'Q4_0' });
  // The quantisation that is there is the one that is meant.
  expect(await folder.pull('acme/m')).toMatchObject({ quant: 'Q8_0', change: 'none' });
  writeFileSync(folder.path('mine'), 'a file of somebody');
  await expect(folder.pull('acme/m', { name: 'mine' })).rejects.toThrow(
    'is there and was not pulled',
  );
});

test('without a hub, what is there is good', async () => {
  const hub = await LocalHub.start();
  using folder = new PullFolder(hub);
  hub.repositories.set('acme/m', { files: { 'm-Q8_0.gguf': ggufNoise(MIB) } });
  await folder.pull('acme/m');
  const endpoint = new URL(hub.url);
  await hub[Symbol.asyncDispose]();
  expect(await folder.pull('acme/m', { endpoint })).toMatchObject({ change: 'none' });
  expect(folder.notes.at(-1)).toMatch(/nobody answers there.*newer one is not known/);
  await expect(folder.pull('acme/other', { endpoint })).rejects.toThrow(
    /^Cannot fetch from 127\.0\.0\.1:\d+: .*nobody answers there\. Check the network/,
  );
});

test('a proxy is gone through, for the hub and for its store', async () => {
  await using hub = await LocalHub.start();
  using folder = new PullFolder(hub);
  const content = ggufNoise(MIB);
  hub.repositories.set('acme/m', { files: { 'm-Q8_0.gguf': content } });
  hub.fault = ({ path }) =>
    path.includes('/resolve/')
      ? { kind: 'redirect', location: 'http://store.test/acme/m/m-Q8_0.gguf' }
      : undefined;
  const places: Record<string, string> = { 'hub.test': hub.url, 'store.test': hub.storeUrl };
  const asked = new Set<string>();
  const proxy = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url!);
    asked.add(url.hostname);
    const { headers } = incoming;
    httpRequest(new URL(url.pathname, places[url.hostname]), { headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    }).end();
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as AddressInfo;
  try {
    const done = await folder.pull('acme/m', {
      endpoint: new URL('http://hub.test'),
      proxyEnvironment: { HTTP_PROXY: `http://localhost:${port}` },
    });
    expect(readFileSync(done.path).equals(content)).toBe(true);
    expect(asked).toEqual(new Set(['hub.test', 'store.test']));
  } finally {
    proxy.close();
    proxy.closeAllConnections();
  }
});
