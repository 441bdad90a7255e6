/**
 * The models that were pulled, on disk.
 *
 *   <models>/<name>/manifest.json, <files>      whole, checked, to be served
 *   <models>/.pull/<name>/files, journals       being fetched, or cut and to be gone on with
 *   <models>/.pull/<name>.lock                  held by whoever fetches or removes it
 *
 * A folder without a manifest that can be read is none of ours. Nothing here follows what a manifest says out of
 * its folder.
 *
 * Units   bytes.
 * Errors  none: what cannot be read is left out, or is in `problems`.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

import { MODEL_NAME } from '../../core/model-name.ts';
import { isSafeFileName } from './file-names.ts';

export const MANIFEST = 'manifest.json';
const PULL_DIR = '.pull';

const ManifestFile = z.strictObject({
  name: z.string().refine((name) => isSafeFileName(name) && name !== MANIFEST),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const Sampling = z.strictObject({
  temperature: z.number().nonnegative().optional(),
  top_p: z.number().positive().max(1).optional(),
});

export const Manifest = z.strictObject({
  version: z.literal(1),
  name: z.string().regex(MODEL_NAME),
  /** `org/model`; `pypi:package==version` for what came from a package. */
  reference: z.string(),
  revision: z.string(),
  format: z.enum(['gguf', 'mlx']),
  quant: z.string().nullable(),
  licence: z.string().nullable(),
  pulled_at: z.iso.datetime(),
  /** What its authors recommend, where it is known. */
  sampling: Sampling.optional(),
  /** Of a split GGUF the first one first. */
  files: z.array(ManifestFile).min(1),
});
export type Manifest = z.output<typeof Manifest>;

export interface PulledModel {
  readonly manifest: Manifest;
  readonly folder: string;
  /** What is served: the (first) GGUF file, or the folder. */
  readonly path: string;
  readonly bytes: number;
}

export interface PullPaths {
  /** Of the whole model. */
  readonly target: string;
  readonly work: string;
  readonly files: string;
  readonly journals: string;
  readonly lock: string;
  /** Of a model on its way out. */
  readonly old: string;
}

export function pullDirOf(modelsDir: string): string {
  return join(modelsDir, PULL_DIR);
}

export function pullPaths(modelsDir: string, name: string): PullPaths {
  const work = join(pullDirOf(modelsDir), name);
  return {
    target: join(modelsDir, name),
    work,
    files: join(work, 'files'),
    journals: join(work, 'journals'),
    lock: `${work}.lock`,
    old: `${work}.old`,
  };
}

export interface PulledList {
  /** By name. */
  readonly models: readonly PulledModel[];
  /** One line each. */
  readonly problems: readonly string[];
}

export function listPulled(modelsDir: string): PulledList {
  const problems: string[] = [];
  const models = foldersIn(modelsDir).flatMap((name) => {
    const folder = join(modelsDir, name);
    if (!MODEL_NAME.test(name) || !existsSync(join(folder, MANIFEST))) return [];
    const model = readPulled(modelsDir, name);
    if (typeof model !== 'string') return [model];
    problems.push(model);
    return [];
  });
  return { models, problems };
}

/** The model, or why it is none. */
export function readPulled(modelsDir: string, name: string): PulledModel | string {
  const folder = join(modelsDir, name);
  const again = `Remove it with "hearth rm ${name}" and pull it again`;
  let manifest: Manifest;
  try {
    manifest = Manifest.parse(JSON.parse(readFileSync(join(folder, MANIFEST), 'utf8')));
  } catch {
    return `the pulled model ${name} has a ${MANIFEST} that cannot be read. ${again}.`;
  }
  if (manifest.name !== name) {
    return `the folder ${folder} holds the pulled model ${manifest.name}. Give it that name back.`;
  }
  const wrong = manifest.files.find((file) => sizeOf(join(folder, file.name)) !== file.bytes);
  if (wrong !== undefined) {
    return `the pulled model ${name} lacks ${wrong.name}, or has another one. ${again}.`;
  }
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  const path = manifest.format === 'gguf' ? join(folder, manifest.files[0]!.name) : folder;
  return { manifest, folder, path, bytes };
}

export interface PartialPull {
  readonly name: string;
  /** On the disk already. */
  readonly bytes: number;
  /** Of the files that were begun. */
  readonly totalBytes: number;
}

export function listPartial(modelsDir: string): readonly PartialPull[] {
  return foldersIn(pullDirOf(modelsDir)).flatMap((name) => {
    const { files } = pullPaths(modelsDir, name);
    const sizes = filesIn(files).map((file) =>
      statSync(join(files, file), { throwIfNoEntry: false }),
    );
    const known = sizes.filter((stats) => stats !== undefined);
    if (known.length === 0) return [];
    const totalBytes = known.reduce((sum, { size }) => sum + size, 0);
    // A file with holes has its full length; the blocks are what it takes. Of 512 bytes, POSIX.
    const bytes = known.reduce((sum, { size, blocks }) => sum + Math.min(size, blocks * 512), 0);
    return [{ name, bytes, totalBytes }];
  });
}

function foldersIn(dir: string): readonly string[] {
  try {
    const entries = readdirSync(dir, { withFileTypes: true });
    return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
  } catch {
    return []; // Nothing was pulled yet.
  }
}

function filesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}
