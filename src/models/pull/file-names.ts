/**
 * Which files of a repository are fetched. Their names come from outside and become names on this disk.
 *
 *   weights   .gguf .safetensors                      what is run
 *   beside    .json .txt .model .jinja                what an MLX folder needs to be run
 *   pickle    .bin .pt .pth .pkl .ckpt …              never: reading one runs the code that hides in it
 *   other     everything else, .py above all          never
 */
export type FileKind = 'gguf' | 'safetensors' | 'beside' | 'pickle' | 'other';

const KINDS: Readonly<Record<string, FileKind>> = {
  gguf: 'gguf',
  safetensors: 'safetensors',
  json: 'beside',
  txt: 'beside',
  model: 'beside',
  jinja: 'beside',
  bin: 'pickle',
  pt: 'pickle',
  pth: 'pickle',
  pkl: 'pickle',
  pickle: 'pickle',
  ckpt: 'pickle',
};

const NAME_MAX = 200;
/** Printable ASCII that means nothing to a shell, a URL or a file system. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9 ._+=@,()[\]-]*$/;

export function kindOf(path: string): FileKind {
  const extension = /\.([A-Za-z0-9]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
  return Object.hasOwn(KINDS, extension) ? KINDS[extension]! : 'other';
}

/** One part of a path: no folder, nothing hidden, nothing that leads out. */
export function isSafeFileName(name: string): boolean {
  return name.length <= NAME_MAX && NAME.test(name) && !name.includes('..') && !name.endsWith('.');
}

export function isSafePath(path: string): boolean {
  return path.split('/').every((part) => isSafeFileName(part));
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
