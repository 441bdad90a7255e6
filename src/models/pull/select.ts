/**
 * Which files of a repository are to be fetched, and why these.
 *
 *   GGUF          one variant, by the quantisation or file that was named, else by memory
 *   MLX           the weights and what belongs to them, of the top folder
 *   anything else refused, saying what it is
 *
 * Units   bytes.
 * Errors  PullError `not_found`, `ambiguous`, `no_memory`, `refused`, each with what there is to choose from.
 */
import { baseName, isSafePath, kindOf } from './file-names.ts';
import type { HubFile, Listing } from './hub.ts';
import { PullError } from './pull-error.ts';
import { MANIFEST } from './pulled-models.ts';
import {
  chooseVariant,
  findQuant,
  findVariants,
  isProjector,
  type MemoryRoom,
  nearQuant,
  neededBytes,
  type Variant,
} from './quantisation.ts';
import { showBytes } from './sizes.ts';

export interface Wish {
  readonly quant: string | undefined;
  /** Path in the repository, or the name of a file anywhere in it. */
  readonly file: string | undefined;
  /** Undefined when it could not be found out. */
  readonly room: MemoryRoom | undefined;
}

export interface Selection {
  readonly format: 'gguf' | 'mlx';
  readonly quant: string | undefined;
  readonly files: readonly HubFile[];
  readonly bytes: number;
  readonly why: string;
  /** What there would have been as well. */
  readonly others: readonly string[];
  /** What was left out that may be missed, one line each. */
  readonly notes: readonly string[];
}

const NAMES_SHOWN_MAX = 20;

export function selectFiles(listing: Listing, wish: Wish): Selection {
  const usable = listing.files.filter(({ path }) => isSafePath(path));
  const ggufs = usable.filter(({ path }) => kindOf(path) === 'gguf');
  const variants = findVariants(ggufs);
  const selection =
    variants.length > 0 ? selectGguf(listing, variants, wish) : selectMlx(listing, usable, wish);
  const unsafe = listing.files.find(
    ({ path }) => !isSafePath(path) && ['gguf', 'safetensors'].includes(kindOf(path)),
  );
  const hidden =
    unsafe === undefined
      ? []
      : [`left out ${JSON.stringify(unsafe.path)}: a name that is not taken`];
  const eyes = ggufs.some(({ path }) => isProjector(path))
    ? ['left out the part that sees images (mmproj): models that see are not served yet']
    : [];
  return { ...selection, notes: [...selection.notes, ...eyes, ...hidden] };
}

function selectGguf(
  listing: Listing,
  variants: readonly Variant<HubFile>[],
  wish: Wish,
): Selection {
  const { repository } = listing;
  const { variant, why } = pick(listing, variants, wish);
  if (variant.isIncomplete) {
    throw new PullError(
      'broken',
      `${repository} has only ${variant.files.length} of the files of ${nameOf(variant)}. Choose another: ${namesOf(variants)}.`,
    );
  }
  return {
    format: 'gguf',
    quant: variant.quant,
    files: variant.files,
    bytes: variant.bytes,
    why,
    others: variants.filter((other) => other !== variant).map(nameOf),
    notes: memoryNotes(variant, wish.room),
  };
}

/** What was named is fetched, also where it does not fit: perhaps it is for another machine. */
function memoryNotes(variant: Variant, room: MemoryRoom | undefined): readonly string[] {
  if (room === undefined) return [];
  const needed = neededBytes(variant.bytes, room.contextTokens);
  if (needed <= room.bytes) return [];
  return [
    `it needs about ${showBytes(needed)} of memory and ${showBytes(room.bytes)} are free: it may not load`,
  ];
}

function pick(
  listing: Listing,
  variants: readonly Variant<HubFile>[],
  { quant, file, room }: Wish,
): { readonly variant: Variant<HubFile>; readonly why: string } {
  const { repository } = listing;
  if (file !== undefined) {
    const found = variants.find(({ files }) =>
      files.some(({ path }) => path === file || baseName(path) === file),
    );
    if (found !== undefined) return { variant: found, why: 'as named' };
    throw new PullError(
      'not_found',
      `${repository} has no model file ${file}. It has ${namesOf(variants)}.`,
    );
  }
  if (quant !== undefined) {
    const found = findQuant(variants, quant);
    const [only] = found;
    if (only !== undefined && found.length === 1) return { variant: only, why: 'as named' };
    if (only !== undefined) throw ambiguous(repository, found);
    const near = nearQuant(variants, quant);
    const hint = near === undefined ? '' : ` Did you mean ${near}?`;
    throw new PullError(
      'not_found',
      `${repository} has no ${quant}.${hint} It has ${namesOf(variants)}.`,
    );
  }
  if (new Set(variants.map(({ stem }) => stem)).size > 1) throw ambiguous(repository, variants);
  const choice = chooseVariant(variants, room);
  if ('variant' in choice) return choice;
  if (choice.refused === 'unknown') throw ambiguous(repository, variants);
  throw tooLarge(repository, variants, room!);
}

function ambiguous(repository: string, variants: readonly Variant<HubFile>[]): PullError {
  const quants = new Set(variants.map(({ quant }) => quant));
  const canTell = quants.size === variants.length && !quants.has(undefined);
  const names = variants.map((variant) =>
    canTell ? variant.quant! : baseName(variant.files[0]!.path),
  );
  return new PullError(
    'ambiguous',
    `${repository} has ${variants.length} variants, and which one is meant cannot be told: ${shorten(names)}. Name one: ${repository}:${names[0]}`,
  );
}

function tooLarge(
  repository: string,
  variants: readonly Variant<HubFile>[],
  room: MemoryRoom,
): PullError {
  const [smallest] = variants;
  const needed = neededBytes(smallest!.bytes, room.contextTokens);
  return new PullError(
    'no_memory',
    `${repository} does not fit: the smallest, ${nameOf(smallest!)}, needs about ${showBytes(needed)} of memory and ${showBytes(room.bytes)} are free. Choose a smaller model, lower slots or context_tokens, or name a quantisation to fetch it all the same.`,
  );
}

function selectMlx(listing: Listing, usable: readonly HubFile[], wish: Wish): Selection {
  const { repository } = listing;
  const top = usable.filter(({ path }) => !path.includes('/'));
  const weights = top.filter(({ path }) => kindOf(path) === 'safetensors');
  if (weights.length === 0 || !listing.isMlx) throw noModel(listing, usable, weights.length > 0);
  if (wish.quant !== undefined || wish.file !== undefined) {
    throw new PullError(
      'not_found',
      `${repository} is an MLX model, which comes in one piece. Leave out what stands behind the colon.`,
    );
  }
  const beside = top.filter(({ path }) => kindOf(path) === 'beside' && path !== MANIFEST);
  const code = listing.files.filter(({ path }) => path.endsWith('.py'));
  const files = [...beside, ...weights];
  return {
    format: 'mlx',
    quant: undefined,
    files,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    why: 'an MLX folder',
    others: [],
    notes: code.length === 0 ? [] : [`left out ${code[0]!.path}: code of a model is never run`],
  };
}

function noModel(
  { repository, files }: Listing,
  usable: readonly HubFile[],
  hasWeights: boolean,
): PullError {
  const pickle = files.find(({ path }) => kindOf(path) === 'pickle');
  if (hasWeights) {
    return new PullError(
      'refused',
      `${repository} holds weights for other programs (safetensors), neither GGUF nor MLX. Look for one of its name that ends in -GGUF.`,
    );
  }
  if (pickle !== undefined) {
    return new PullError(
      'refused',
      `${repository} holds only pickles (${JSON.stringify(pickle.path)}), which are not fetched: code can hide in them. Look for one of its name that ends in -GGUF.`,
    );
  }
  const unsafe = files.find(({ path }) => kindOf(path) === 'gguf' && !isSafePath(path));
  if (unsafe !== undefined) {
    return new PullError(
      'refused',
      `${repository} names its file ${JSON.stringify(unsafe.path)}, which is not taken as a file name.`,
    );
  }
  const only = usable.some(({ path }) => isProjector(path))
    ? 'only the part of a model that sees images'
    : 'no model';
  return new PullError(
    'refused',
    `${repository} holds ${only}. Look for one of its name that ends in -GGUF.`,
  );
}

function nameOf({ quant, files }: Variant): string {
  return quant ?? baseName(files[0]!.path);
}

function namesOf(variants: readonly Variant[]): string {
  return shorten(variants.map((variant) => `${nameOf(variant)} (${showBytes(variant.bytes)})`));
}

function shorten(names: readonly string[]): string {
  if (names.length <= NAMES_SHOWN_MAX) return names.join(', ');
  return `${names.slice(0, NAMES_SHOWN_MAX).join(', ')} and ${names.length - NAMES_SHOWN_MAX} more`;
}
