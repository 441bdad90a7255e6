/**
 * What the configured names mean: entries of the configuration or of `--model` become the table
 * that requests are looked up in, the default model first.
 *
 * Errors  ModelError, all problems at once, one line each. A file that is missing or broken is none
 *         of them: its worker says so, the server stays up and serves the others.
 */
import { statSync } from 'node:fs';
import { basename, extname } from 'node:path';

import { MODEL_NAME, MODEL_NAME_RULE } from '../core/model-name.ts';
import type { BackendName, ModelSpec } from './spec.ts';

/** What the configuration knows of a model; absent values come from `CatalogueOptions`. */
export interface ModelEntry {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly backend?: BackendName | undefined;
  readonly description?: string | undefined;
  readonly slots?: number | undefined;
  readonly highSpare?: number | undefined;
  readonly replicas?: number | undefined;
  readonly recycle?: ModelSpec['recycle'] | undefined;
  readonly contextTokens?: number | undefined;
  readonly threads?: 'auto' | number | undefined;
  readonly preload?: boolean | undefined;
  readonly keepAliveMs?: number | undefined;
  readonly pin?: boolean | undefined;
  readonly gpu?: ModelSpec['gpu'] | undefined;
  readonly defaults: ModelSpec['defaults'];
}

export interface CatalogueOptions {
  readonly slots: number;
  readonly highSpare: number;
  readonly replicas: number;
  readonly recycle: ModelSpec['recycle'];
  readonly contextTokens: number;
  readonly threads: 'auto' | number;
  readonly preload: boolean;
  readonly keepAliveMs: number;
  readonly gpu: ModelSpec['gpu'];
  /** Handed to the workers of one backend, as `ModelSpec.options`. */
  readonly backendOptions?: Partial<Record<BackendName, Readonly<Record<string, string>>>>;
}

export class ModelError extends Error {
  override name = 'ModelError';
}

export function makeCatalogue(
  entries: readonly ModelEntry[],
  options: CatalogueOptions,
): readonly ModelSpec[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  const specs = entries.flatMap((entry) => {
    if (!MODEL_NAME.test(entry.name)) {
      problems.push(`${JSON.stringify(entry.name)} is not a model name. Use ${MODEL_NAME_RULE}.`);
      return [];
    }
    if (seen.has(entry.name)) {
      problems.push(`model ${entry.name} is named twice. Give each path a name of its own.`);
      return [];
    }
    seen.add(entry.name);
    const backend = entry.backend ?? detectBackend(entry.path);
    if (typeof backend === 'object') {
      problems.push(`model ${entry.name}: ${backend.refused}`);
      return [];
    }
    const spec: ModelSpec = {
      name: entry.name,
      backend,
      path: entry.path,
      description: entry.description,
      slots: entry.slots ?? options.slots,
      replicas: entry.replicas ?? options.replicas,
      recycle: { ...options.recycle, ...entry.recycle },
      highSpare: entry.highSpare ?? options.highSpare,
      contextTokens: entry.contextTokens ?? options.contextTokens,
      threads: entry.threads ?? options.threads,
      preload: entry.preload ?? options.preload,
      pin: entry.pin ?? false,
      keepAliveMs: entry.keepAliveMs ?? options.keepAliveMs,
      gpu: entry.gpu ?? options.gpu,
      options: options.backendOptions?.[backend],
      defaults: entry.defaults,
    };
    return [spec];
  });
  if (problems.length > 0) throw new ModelError(problems.join('\n'));
  return specs;
}

/** Reads `NAME=PATH`, or a plain path, which is named after its file. */
export function parseModelFlag(text: string): { readonly name: string; readonly path: string } {
  const split = text.indexOf('=');
  const named = split > 0 && MODEL_NAME.test(text.slice(0, split));
  const name = named ? text.slice(0, split) : nameOfFile(text);
  const path = named ? text.slice(split + 1) : text;
  if (path === '') throw new ModelError(`--model ${text}: no path. Write --model NAME=PATH.`);
  if (!MODEL_NAME.test(name)) {
    throw new ModelError(
      `--model ${text}: the file gives no usable name. Write --model NAME=PATH.`,
    );
  }
  return { name, path };
}

function nameOfFile(path: string): string {
  const file = basename(path);
  return file.slice(0, file.length - extname(file).length).replaceAll(/[^A-Za-z0-9._-]+/g, '-');
}

function detectBackend(path: string): BackendName | { readonly refused: string } {
  const extension = extname(path).toLowerCase();
  if (isFolder(path)) return 'mlx';
  if (extension === '.safetensors') {
    return { refused: `${path} is a part of an MLX model. Name the folder that it lies in.` };
  }
  if (extension === '.gguf') return 'llama-cpp';
  if (extension === '.json') return 'fake';
  return {
    refused: `cannot tell what runs ${path}. Name a .gguf file or an MLX folder, or set backend in [models.NAME].`,
  };
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
