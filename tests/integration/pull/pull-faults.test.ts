/**
 * What networks, hubs and disks do to a pull. Every failure is one line, and leaves nothing but what can be gone on
 * with. One file: a list of faults, each a few lines, over the same hub and folder.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { PullError } from '../../../src/models/pull/pull-error.ts';
import { type Fault, ggufNoise, type HubRequest, LocalHub } from '../../support/hub.ts';
import { FAST, PullFolder } from './pull-folder.ts';

const KIB = 1024;
const MIB = 2 ** 20;
const SMALL_RANGES = { ...FAST, minRangeBytes: 128 * KIB, maxRangeBytes: 512 * KIB };

/** Numbers that look random and are the same for a seed (mulberry32). */
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function withModel(
  act: (hub: LocalHub, folder: PullFolder, content: Buffer) => Promise<void>,
  bytes = 4 * MIB,
): Promise<void> {
  await using hub = await LocalHub.start();
  using folder = new PullFolder(hub);
  const content = ggufNoise(bytes);
  hub.repositories.set('acme/m', { files: { 'm-Q8_0.gguf': content } });
  await act(hub, folder, content);
}

/** To the first so many requests of the store. */
function firstOfStore(count: number, fault: Fault) {
  let left = count;
  return ({ place }: HubRequest) => {
    if (place !== 'store' || left === 0) return undefined;
    left -= 1;
    return fault;
  };
}

test('100 random cuts: the file is right, and no more than 1.05 of it was fetched', async () => {
  await withModel(async (hub, folder, content) => {
    const random = makeRandom(20_261_121);
    let cuts = 0;
    hub.fault = ({ place, range }) => {
      if (place !== 'store' || cuts === 100) return undefined;
      const [, start, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
      const length = Number(last) - Number(start) + 1;
      const afterBytes = Math.floor(random() * length);
      cuts += 1;
      return { kind: 'cut', afterBytes };
    };
    const tuning = { ...SMALL_RANGES, retry: { ...FAST.retry, attempts: 20 } };
    const done = await folder.pull('acme/m', { tuning });
    expect(cuts).toBe(100);
    expect(readFileSync(done.path).equals(content)).toBe(true);
    expect(hub.bytesSent / content.length).toBeLessThanOrEqual(1.05);
  }, 16 * MIB);
});

test('a stalled connection is cut, and its range fetched over another', async () => {
  await withModel(async (hub, folder, content) => {
    hub.fault = firstOfStore(2, { kind: 'stall', afterBytes: 1000 });
    const done = await folder.pull('acme/m', { tuning: SMALL_RANGES });
    expect(readFileSync(done.path).equals(content)).toBe(true);
  });
});

test('a pull that was stopped goes on where it was, also when the journal has a torn line', async () => {
  await withModel(async (hub, folder, content) => {
    const stop = new AbortController();
    hub.fault = ({ place }) => {
      if (place === 'store' && hub.bytesSent > 2 * MIB) stop.abort(new Error('enough'));
      return undefined;
    };
    const tuning = SMALL_RANGES;
    await expect(folder.pull('acme/m', { tuning, signal: stop.signal })).rejects.toThrow('enough');
    expect(folder.list()).toEqual([
      ...['.pull/m', '.pull/m/files', '.pull/m/files/m-Q8_0.gguf'],
      ...['.pull/m/journals', '.pull/m/journals/m-Q8_0.gguf'],
    ]);
    const journal = folder.path('.pull', 'm', 'journals', 'm-Q8_0.gguf');
    writeFileSync(journal, `${readFileSync(journal, 'utf8')}0 41943`);
    hub.fault = () => undefined;
    const done = await folder.pull('acme/m', { tuning });
    expect(readFileSync(done.path).equals(content)).toBe(true);
    const resumed = folder.events.findLast((one) => one.event === 'file');
    expect(resumed?.event === 'file' && resumed.resumedBytes).toBeGreaterThan(1.5 * MIB);
    expect(hub.bytesSent).toBeLessThan(1.2 * content.length);
  });
});

test.each([
  ['of another file', '{"version":1,"bytes":4194304,"identity":"sha256:0"}\n0 4194304\n'],
  ['of another length', '{"version":1,"bytes":12,"identity":"sha256:0"}\n0 12\n'],
  ['that cannot be read', '\u0000\u0001 not a journal'],
])('a journal %s is thrown away', async (_, text) => {
  await withModel(async (hub, folder, content) => {
    for (const name of ['files', 'journals']) {
      mkdirSync(folder.path('.pull', 'm', name), { recursive: true });
    }
    writeFileSync(folder.path('.pull', 'm', 'files', 'm-Q8_0.gguf'), Buffer.alloc(4 * MIB, 7));
    writeFileSync(folder.path('.pull', 'm', 'journals', 'm-Q8_0.gguf'), text);
    const done = await folder.pull('acme/m');
    expect(readFileSync(done.path).equals(content)).toBe(true);
    expect(hub.bytesSent).toBe(content.length);
  });
});

test('a part that was damaged on this disk is found by the hash and fetched again', async () => {
  await withModel(async (hub, folder, content) => {
    hub.fault = ({ place }) =>
      place === 'store' && hub.bytesSent > MIB ? { kind: 'status', status: 500 } : undefined;
    await expect(folder.pull('acme/m', { tuning: SMALL_RANGES })).rejects.toThrow(
      'has a fault (500)',
    );
    hub.fault = () => undefined;
    const part = folder.path('.pull', 'm', 'files', 'm-Q8_0.gguf');
    const damaged = readFileSync(part);
    damaged.writeUInt32LE(0x12345678, 5000);
    writeFileSync(part, damaged);
    const done = await folder.pull('acme/m');
    expect(readFileSync(done.path).equals(content)).toBe(true);
    expect(folder.notes.at(-1)).toBe(
      'm-Q8_0.gguf: what was there of it was damaged; fetching it again',
    );
  });
});

test('wrong bytes are refused, and nothing of them is kept', async () => {
  await withModel(async (hub, folder) => {
    hub.fault = ({ place }) =>
      place === 'store' ? { kind: 'bytes', content: ggufNoise(4 * MIB, 'forged') } : undefined;
    await expect(folder.pull('acme/m')).rejects.toThrow(
      /has the hash [0-9a-f]{12}…, not [0-9a-f]{12}… as the hub says\. Nothing of it was kept/,
    );
    expect(folder.list()).toEqual([]);
  });
});

test('a small file is checked, too, by its git hash', async () => {
  await using hub = await LocalHub.start();
  using folder = new PullFolder(hub);
  const files = { 'config.json': Buffer.from('{"a":1}'), 'model.safetensors': ggufNoise(2000) };
  hub.repositories.set('acme/m', { files, library: 'mlx' });
  hub.fault = ({ path }) =>
    path.endsWith('config.json') ? { kind: 'bytes', content: Buffer.from('{"a":2}') } : undefined;
  await expect(folder.pull('acme/m')).rejects.toThrow('config.json from 127.0.0.1');
});

test('a server without ranges is read as one stream', async () => {
  await withModel(async (hub, folder, content) => {
    let streams = 0;
    hub.fault = ({ place }) => {
      if (place !== 'store') return undefined;
      streams += 1;
      return { kind: 'no-ranges' };
    };
    const done = await folder.pull('acme/m', { tuning: SMALL_RANGES });
    expect(readFileSync(done.path).equals(content)).toBe(true);
    expect(streams).toBe(1);
  });
});

test('429 and 503 are waited for as long as they ask, and said', async () => {
  await withModel(async (hub, folder) => {
    const headers = { 'retry-after': '1' };
    const store = firstOfStore(1, { kind: 'status', status: 503, headers });
    let listed = 0;
    hub.fault = (request) => {
      if (!request.path.startsWith('/api/')) return store(request);
      listed += 1;
      return listed === 1 ? { kind: 'status', status: 429, headers } : undefined;
    };
    expect(await folder.pull('acme/m')).toMatchObject({ change: 'new' });
    expect(listed).toBe(2);
    expect(folder.notes[0]).toMatch(/has a fault \(503\); waiting 1 s$/);
  });
});

test('an address of the store that has gone stale is asked for anew', async () => {
  await withModel(async (hub, folder, content) => {
    let signature = 0;
    let served = 0;
    let refused = 0;
    hub.fault = ({ place, path, query }) => {
      if (place === 'store' && query === `?${signature}`) {
        served += 1;
        // What the hub has sent out so far is no longer taken.
        if (served === 3 || served === 8) signature += 1;
        return undefined;
      }
      if (place === 'store') {
        refused += 1;
        return { kind: 'status', status: 403 };
      }
      if (!path.includes('/resolve/')) return undefined;
      const location = `${hub.storeUrl}/acme/m/m-Q8_0.gguf?${signature}`;
      return { kind: 'redirect', location };
    };
    const done = await folder.pull('acme/m', { tuning: SMALL_RANGES });
    expect(readFileSync(done.path).equals(content)).toBe(true);
    expect(refused).toBeGreaterThan(1);
  });
});

test('a file that changes on the server in the middle is fetched again from the start', async () => {
  await withModel(async (hub, folder, content) => {
    let count = 0;
    hub.fault = ({ place }) => {
      if (place !== 'store') return undefined;
      count += 1;
      return { kind: 'etag', etag: count < 4 ? '"before"' : '"after"' };
    };
    const done = await folder.pull('acme/m', { tuning: SMALL_RANGES });
    expect(readFileSync(done.path).equals(content)).toBe(true);
    expect(folder.notes).toContain(
      'm-Q8_0.gguf changed on the server (another ETag); fetching it again',
    );
  });
});

test('a file of another length than the hub lists is refused', async () => {
  await withModel(async (hub, folder) => {
    hub.fault = ({ place }) =>
      place === 'store' ? { kind: 'bytes', content: ggufNoise(3 * MIB) } : undefined;
    await expect(folder.pull('acme/m')).rejects.toThrow(
      'm-Q8_0.gguf keeps changing on the server (it has 3145728 bytes there, not 4194304)',
    );
    expect(folder.list()).toEqual([]);
  });
});

test('what is no GGUF is refused by its first bytes', async () => {
  await withModel(async (hub, folder) => {
    const content = Buffer.alloc(4 * MIB, 'PK');
    hub.fault = ({ place }) => (place === 'store' ? { kind: 'bytes', content } : undefined);
    await expect(folder.pull('acme/m')).rejects.toThrow(
      /m-Q8_0\.gguf from 127\.0\.0\.1:\d+ is no GGUF file: it begins with "PKPK"/,
    );
    expect(folder.list()).toEqual([]);
  });
});

const HTML = {
  kind: 'status',
  status: 200,
  headers: { 'content-type': 'text/html' },
  body: '<html>Log in</html>',
} as const;

test.each<[string, (request: HubRequest) => Fault | undefined, RegExp]>([
  ['a list as a web page', () => HTML, /answered with a web page instead of data/],
  [
    'a file as a web page',
    ({ place }) => (place === 'store' ? HTML : undefined),
    /answered with a web page instead of data/,
  ],
  [
    'a list that is none',
    () => ({
      kind: 'status',
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: '{"a":1}',
    }),
    /What 127\.0\.0\.1:\d+ says of acme\/m cannot be read \(sha\)/,
  ],
  [
    'a list without hashes',
    () => ({
      kind: 'status',
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        sha: 'a'.repeat(40),
        siblings: [{ rfilename: 'm-Q8_0.gguf', size: 9 }],
      }),
    }),
    /without size and hash, so that nothing can be checked/,
  ],
  [
    'a redirect to a private address',
    to('http://10.0.0.1/x'),
    /10\.0\.0\.1, which is a private address/,
  ],
  [
    'a redirect to where clouds keep secrets',
    to('http://169.254.169.254/latest/meta-data'),
    /169\.254\.169\.254, which is a link-local address/,
  ],
  ['the same in IPv6', to('http://[::ffff:a9fe:a9fe]/'), /which is a link-local address/],
  ['a redirect to a file', to('file:///etc/passwd'), /redirects to file:…, which is not https/],
  ['a redirect with a password', to('https://me:it@example.com/'), /a user or password/],
  ['a redirect to itself', to('/acme/m/resolve/x/m-Q8_0.gguf'), /redirects more than 5 times/],
  ['a token that is not known', unauthorized, /does not accept your HF_TOKEN/],
  ['a hub with a fault', () => ({ kind: 'status', status: 500 }), /has a fault \(500\)/],
])('%s is one line, and nothing is left', async (_, fault, message) => {
  await withModel(async (hub, folder) => {
    hub.fault = fault;
    const error = await folder.pull('acme/m', { token: 'hf_secret' }).catch((reason) => reason);
    expect(error).toBeInstanceOf(PullError);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('\n');
    expect(error.message).not.toContain('hf_secret');
    expect(folder.list()).toEqual([]);
  });
});

function to(location: string) {
  return ({ path }: HubRequest): Fault | undefined =>
    path.includes('/resolve/') ? { kind: 'redirect', location } : undefined;
}

function unauthorized(): Fault {
  const headers = { 'x-error-message': 'Invalid credentials in Authorization header' };
  return { kind: 'status', status: 401, headers };
}

test('what is not there, gated, private, or holds nothing to serve, is named', async () => {
  await using hub = await LocalHub.start();
  using folder = new PullFolder(hub);
  const model = { 'm-Q8_0.gguf': ggufNoise(MIB) };
  const put = (name: string, files: Record<string, Buffer>, more = {}) =>
    hub.repositories.set(`acme/${name}`, { files, ...more });
  put('gated', model, { isGated: true });
  put('private', model, { isPrivate: true });
  put('pickle', { 'pytorch_model.bin': ggufNoise(2000) });
  put('safetensors', { 'model.safetensors': ggufNoise(2000) }, { tags: [] });
  put('escape', { '../../etc/evil.gguf': ggufNoise(2000) });
  put('eyes', { 'mmproj-m-f16.gguf': ggufNoise(2000) });
  put('empty', { 'README.md': Buffer.from('x') });
  put('halves', { 'm-Q8_0-00001-of-00002.gguf': ggufNoise(2000) });
  for (const [reference, message] of [
    [
      'acme/none',
      /knows no model acme\/none\. It does not exist, or is private and needs HF_TOKEN/,
    ],
    ['acme/gated', /acme\/gated is gated: accept its terms at .*, then set HF_TOKEN/],
    ['acme/private', /It does not exist, or is private/],
    ['acme/pickle', /only pickles \("pytorch_model\.bin"\), which are not fetched: code can hide/],
    ['acme/safetensors', /neither GGUF nor MLX/],
    ['acme/escape', /names its file "\.\.\/\.\.\/etc\/evil\.gguf", which is not taken/],
    ['acme/eyes', /only the part of a model that sees/],
    ['acme/empty', /holds no model/],
    ['acme/halves', /has only 1 of the files of Q8_0/],
    ['acme/private:Q9_9_9', /does not exist/],
    ['acme/gated:Q4_K_M', /acme\/gated has no Q4_K_M\. It has Q8_0 \(1 MB\)/],
  ] as const) {
    await expect(folder.pull(reference), reference).rejects.toThrow(message);
  }
  await expect(folder.pull('acme/gated', { token: 'hf_x' })).rejects.toThrow('has not been let in');
  await expect(folder.pull('acme/gated', { revision: 'v9' })).rejects.toThrow('has no revision v9');
  expect(folder.list()).toEqual([]);
});

test('of many quantisations the one that fits is taken; without knowing the memory all are named', async () => {
  await using hub = await LocalHub.start();
  using folder = new PullFolder(hub);
  const quants = 'Q2_K Q3_K_S Q3_K_M Q3_K_L Q4_0 Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K Q8_0 F16'.split(
    ' ',
  );
  const files = Object.fromEntries(
    quants.map((quant, index) => [`m.${quant}.gguf`, ggufNoise(2000 + index)]),
  );
  hub.repositories.set('acme/m', { files });
  await expect(folder.pull('acme/m', { room: undefined })).rejects.toThrow(
    'acme/m has 12 variants, and which one is meant cannot be told: Q2_K, Q3_K_S, Q3_K_M, Q3_K_L, Q4_0, Q4_K_S, Q4_K_M, Q5_K_S, Q5_K_M, Q6_K, Q8_0, F16. Name one: acme/m:Q2_K',
  );
  await expect(folder.pull('acme/m', { room: { bytes: 1000, contextTokens: 1 } })).rejects.toThrow(
    'does not fit: the smallest, Q2_K, needs about 19 kB of memory and 1 kB are free',
  );
  expect(await folder.pull('acme/m')).toMatchObject({ quant: 'Q8_0' });
  const chosen = folder.events.findLast((one) => one.event === 'chosen');
  expect(chosen).toMatchObject({ why: 'the model is small enough for the finer one' });
});

test('a disk with too little room is told before anything is fetched', async () => {
  await withModel(async (hub, folder) => {
    const content = ggufNoise(2000);
    hub.repositories.set('acme/huge', { files: { 'h-Q8_0.gguf': content } });
    const list = {
      sha: 'a'.repeat(40),
      siblings: [{ rfilename: 'h-Q8_0.gguf', lfs: { sha256: 'b'.repeat(64), size: 9e15 } }],
    };
    const headers = { 'content-type': 'application/json' };
    hub.fault = () => ({ kind: 'status', status: 200, headers, body: JSON.stringify(list) });
    await expect(
      folder.pull('acme/huge', { room: { bytes: 9e16, contextTokens: 1 } }),
    ).rejects.toThrow(/^huge takes 9000000 GB more, and .* has [\d.]+ GB free\. Make room/);
    expect(folder.list()).toEqual([]);
    expect(hub.storeRequests).toEqual([]);
  });
});

test('a disk that fills up meanwhile stops it, and it goes on when there is room', async (context) => {
  await withModel(async (hub, folder, content) => {
    const disk = join(folder.dir, 'disk');
    mkdirSync(disk);
    const mount = ['-t', 'tmpfs', '-o', 'size=6m', 'hearth-test', disk];
    if (spawnSync('mount', mount).status !== 0) {
      return context.skip('a file system can be mounted by root only');
    }
    try {
      // Room for it, until somebody else takes it.
      hub.fault = ({ place }) => {
        const isTaken = readdirSync(disk).includes('other');
        if (place === 'store' && !isTaken)
          writeFileSync(join(disk, 'other'), Buffer.alloc(3 * MIB));
        return undefined;
      };
      const error = await folder.pull('acme/m', { modelsDir: disk }).catch((reason) => reason);
      expect(error.message).toBe(
        'The disk is full while m-Q8_0.gguf is fetched. Make room and run it again; what is there is kept.',
      );
      expect(readdirSync(join(disk, '.pull', 'm', 'files'))).toEqual(['m-Q8_0.gguf']);
      hub.fault = () => undefined;
      rmSync(join(disk, 'other'));
      const done = await folder.pull('acme/m', { modelsDir: disk });
      expect(readFileSync(done.path).equals(content)).toBe(true);
    } finally {
      spawnSync('umount', ['--lazy', disk]);
    }
  });
});

test('a hub that takes a connection and says nothing is given up', async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  await withModel(async (_, folder) => {
    const { port } = silent.address() as { port: number };
    const tuning = { ...FAST, silenceMs: 50, retry: { attempts: 2, firstMs: 1, maxMs: 1 } };
    const endpoint = new URL(`http://127.0.0.1:${port}`);
    await expect(folder.pull('acme/m', { endpoint, tuning })).rejects.toThrow(
      /^Cannot fetch from [\d.:]+: no answer\. Check the network/,
    );
  });
  silent.close();
});
