/**
 * The variants of a GGUF repository: files by quantisation, split ones together, and which one to take.
 *
 *   model-Q4_K_M.gguf                                one variant, Q4_K_M
 *   UD-Q4_K_XL/model-UD-Q4_K_XL-00001-of-00003.gguf  one variant of three files
 *   mmproj-model-f16.gguf, imatrix.gguf              none: not a model by itself
 *
 * Chosen is the largest that fits into memory and is no larger than the usual one: Q4_K_M, or Q8_0 where
 * that is below 1 GB, since a small model loses more by coarse weights than it gains. It fits when 1.2 of
 * the file and the context do.
 *
 * Units   bytes.
 * Source  llama.cpp's names of file types and of split files (`gguf-split`).
 */
import { suggest } from '../../core/suggest.ts';
import { baseName } from './file-names.ts';

export interface QuantFile {
  /** In the repository. */
  readonly path: string;
  readonly bytes: number;
}

export interface Variant<File extends QuantFile = QuantFile> {
  /** In capitals; undefined where the name tells none. */
  readonly quant: string | undefined;
  /** The name without quantisation, number and ending: several mean several models. */
  readonly stem: string;
  /** In the order of their numbers. */
  readonly files: readonly File[];
  readonly bytes: number;
  /** Some of its numbered files are missing. */
  readonly isIncomplete: boolean;
}

const QUANT =
  /(?<=^|[-._])((?:UD-)?(?:I?Q[1-9](?:_[0-9](?:_[0-9]_[0-9])?|_K(?:_(?:XXS|XS|S|M|L|XL|XXL|P))?|_NL|_XXS|_XS|_S|_M|_L)|TQ[12]_0|BF16|FP?16|FP?32|MXFP4(?:_MOE)?|NVFP4))(?=$|[-._])/gi;
const SPLIT = /-(\d{5})-of-(\d{5})$/;
const NO_MODEL = /(?:^|[-._])(?:mmproj|imatrix)(?=[-._]|$)/i;

const USUAL = 'Q4_K_M';
const FINE = 'Q8_0';
const TINY_BYTES = 1e9;
const FILE_FACTOR = 1.2;

/** Of `mmproj`: what makes a model see, and is not fetched. */
export function isProjector(path: string): boolean {
  return /(?:^|[-._])mmproj(?=[-._]|$)/i.test(baseName(path));
}

/** Only of files that end in .gguf. */
export function findVariants<File extends QuantFile>(
  files: readonly File[],
): readonly Variant<File>[] {
  const groups = new Map<string, { parts: Map<number, File>; count: number; name: Named }>();
  for (const file of files) {
    if (NO_MODEL.test(baseName(file.path))) continue;
    const name = readName(file.path);
    const folder = file.path.slice(0, -baseName(file.path).length);
    const key = `${folder}|${name.stem}|${name.quant}|${name.count}`;
    const group = groups.get(key) ?? { parts: new Map(), count: name.count, name };
    group.parts.set(name.number, file);
    groups.set(key, group);
  }
  const variants = [...groups.values()].map(({ parts, count, name }) => {
    const inOrder = [...parts].sort(([a], [b]) => a - b).map(([, file]) => file);
    return {
      quant: name.quant,
      stem: name.stem,
      files: inOrder,
      bytes: inOrder.reduce((sum, { bytes }) => sum + bytes, 0),
      isIncomplete: inOrder.length !== count,
    };
  });
  return variants.sort((a, b) => a.bytes - b.bytes);
}

interface Named {
  readonly quant: string | undefined;
  readonly stem: string;
  readonly number: number;
  readonly count: number;
}

function readName(path: string): Named {
  const whole = baseName(path).replace(/\.gguf$/i, '');
  const split = SPLIT.exec(whole);
  const name = split === null ? whole : whole.slice(0, split.index);
  const found = [...name.matchAll(QUANT)].at(-1);
  const stem =
    found === undefined
      ? name
      : `${name.slice(0, found.index)}${name.slice(found.index + found[0].length)}`;
  return {
    quant: found?.[1]?.toUpperCase().replace(/^FP(?=16|32)/, 'F'),
    stem: stem.replaceAll(/[-._]+$/g, '').toLowerCase(),
    number: split === null ? 1 : Number(split[1]),
    count: split === null ? 1 : Number(split[2]),
  };
}

export interface MemoryRoom {
  /** That a model may take. */
  readonly bytes: number;
  /** Of all slots together. */
  readonly contextTokens: number;
}

/** With its context. The keys and values of a token grow with the model: 16 KiB in tiny ones, 128 in large ones. */
export function neededBytes(fileBytes: number, contextTokens: number): number {
  const perToken = Math.min(128 * 1024, Math.max(16 * 1024, fileBytes / 8192));
  return Math.round(fileBytes * FILE_FACTOR + perToken * contextTokens);
}

export type Choice<File extends QuantFile> =
  | { readonly variant: Variant<File>; readonly why: string }
  /** `unknown`: names or memory tell too little; `too_large`: not even the smallest fits. */
  | { readonly refused: 'unknown' | 'too_large' };

/** `variants` from small to large, at least one, and all of one model. */
export function chooseVariant<File extends QuantFile>(
  variants: readonly Variant<File>[],
  room: MemoryRoom | undefined,
): Choice<File> {
  const fits = ({ bytes }: Variant<File>) =>
    room === undefined || neededBytes(bytes, room.contextTokens) <= room.bytes;
  const [only] = variants;
  if (variants.length === 1 && only !== undefined) {
    return fits(only) ? { variant: only, why: 'it is the only one' } : { refused: 'too_large' };
  }
  const known = variants.filter(({ quant }) => quant !== undefined);
  if (room === undefined || known.length === 0) return { refused: 'unknown' };
  const usual = usualOf(known);
  const notAbove = usual === undefined ? known : known.slice(0, known.indexOf(usual) + 1);
  const best = notAbove.findLast(fits);
  if (best === undefined) return { refused: 'too_large' };
  if (best === usual) return { variant: best, why: best.quant === USUAL ? THE_USUAL : SMALL };
  return { variant: best, why: 'the largest that fits into memory' };
}

const THE_USUAL = 'the usual one, and it fits into memory';
const SMALL = 'the model is small enough for the finer one';

function usualOf<File extends QuantFile>(known: readonly Variant<File>[]) {
  const named = (quant: string) => known.find((variant) => variant.quant === quant);
  const usual = named(USUAL);
  const fine = named(FINE);
  const isTiny = (usual?.bytes ?? fine?.bytes ?? Number.POSITIVE_INFINITY) < TINY_BYTES;
  return isTiny ? (fine ?? usual) : (usual ?? fine);
}

/** By the name that was asked for, in any case; `Q4_K_XL` is also found as `UD-Q4_K_XL`. */
export function findQuant<File extends QuantFile>(
  variants: readonly Variant<File>[],
  wanted: string,
): readonly Variant<File>[] {
  const quant = wanted.toUpperCase().replace(/^FP(?=16|32)/, 'F');
  const exact = variants.filter((variant) => variant.quant === quant);
  return exact.length > 0 ? exact : variants.filter((variant) => variant.quant === `UD-${quant}`);
}

export function nearQuant(variants: readonly Variant[], wanted: string): string | undefined {
  return suggest(
    wanted.toUpperCase(),
    variants.flatMap(({ quant }) => (quant === undefined ? [] : [quant])),
  );
}
