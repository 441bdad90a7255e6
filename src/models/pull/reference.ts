/**
 * What `hearth pull` is told to fetch, from text to a repository of the hub. Row MX-056.
 *
 *   qwen3-4b                                    a short name
 *   org/model · org/model:Q4_K_M · org/model:FILE.gguf
 *   hf.co/org/model:Q4_K_M · huggingface.co/…   as people copy them
 *   https://huggingface.co/org/model[/tree/REV | /blob/REV/FILE | /resolve/REV/FILE]
 *
 * Everything is ASCII by a strict pattern: nothing in it can leave a folder, change the path of a URL or
 * look like another name. URLs name the configured hub or huggingface.co; what is fetched always comes from
 * the configured hub.
 *
 * Errors  PullError `invalid_reference`.
 * Source  the hub's rules for repository names: letters, digits, `-`, `_`, `.`, up to 96, without `--` and `..`.
 */
import { MODEL_NAME, MODEL_NAME_RULE } from '../../core/model-name.ts';
import { suggest } from '../../core/suggest.ts';
import { isSafeFileName } from './file-names.ts';
import { PullError } from './pull-error.ts';
import { findShortName, SHORT_NAMES, type ShortName } from './short-names.ts';

export interface Reference {
  /** `org/model`. */
  readonly repository: string;
  readonly quant: string | undefined;
  /** Of the repository, with its folder. */
  readonly file: string | undefined;
  /** A branch, tag or commit. */
  readonly revision: string;
  readonly short: ShortName | undefined;
}

const TEXT_MAX = 512;
const PART = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?$/;
const QUANT = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/;
const REVISION = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const HUB_HOSTS: ReadonlySet<string> = new Set(['huggingface.co', 'www.huggingface.co', 'hf.co']);
const MAIN = 'main';

/** `endpoint` is the hub that is configured; its URLs are taken, too. */
export function parseReference(text: string, endpoint: URL): Reference {
  refuseOddCharacters(text);
  const plain = withoutHost(text, endpoint);
  if (plain !== undefined) return parsePath(text, plain);
  return parseName(text);
}

export function parseRevision(text: string): string {
  if (REVISION.test(text) && !text.includes('..')) return text;
  throw invalid(text, 'is no revision. Name a branch, a tag or a commit');
}

/** The name that it is served by: the one that was asked for, else that of the repository without `-GGUF`. */
export function servedName(reference: Reference, wanted: string | undefined): string {
  if (wanted !== undefined) {
    // It becomes a folder: one of its own, not one in another.
    if (MODEL_NAME.test(wanted) && !/[/:]/.test(wanted)) return wanted;
    throw invalid(wanted, `is no name for a model. Use ${MODEL_NAME_RULE}, without / and :`);
  }
  if (reference.short !== undefined) return reference.short.name;
  const [, model = ''] = reference.repository.split('/');
  return model.replace(/[-_.]gguf$/i, '').toLowerCase();
}

function refuseOddCharacters(text: string): void {
  if (text === '') throw invalid(text, 'is empty. Name a model, such as org/model:Q4_K_M');
  if (text.length > TEXT_MAX) throw invalid(`${text.slice(0, 40)}…`, 'is too long');
  const odd = /[^\x21-\x7e]/u.exec(text);
  if (odd !== null) {
    const point = `U+${odd[0].codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
    throw invalid(
      text,
      `holds the character ${point}. References are plain letters, digits and . _ - / :`,
    );
  }
  if (text.includes('\\')) throw invalid(text, 'holds a backslash. Write org/model');
  if (text.includes('%')) throw invalid(text, 'holds an escape (%). Write it in plain letters');
  if (text.includes('..')) throw invalid(text, 'holds "..". Name a repository, such as org/model');
}

/** What stands behind the host, undefined where there is none. */
function withoutHost(text: string, endpoint: URL): string | undefined {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined) return fromUrl(text, scheme, endpoint);
  for (const host of HUB_HOSTS) {
    if (text.toLowerCase().startsWith(`${host}/`)) return text.slice(host.length + 1);
  }
  return undefined;
}

function fromUrl(text: string, scheme: string, endpoint: URL): string {
  const url = URL.parse(text);
  if (url === null) throw invalid(text, 'is no URL that can be read');
  if (url.username !== '' || url.password !== '') {
    throw invalid(`${scheme}://…@${url.host}`, 'holds a user or password. Set HF_TOKEN instead');
  }
  const isEndpoint = url.origin === endpoint.origin;
  if (scheme !== 'https' && !(scheme === 'http' && isEndpoint)) {
    throw invalid(text, `is not an https address. Write it with https://`);
  }
  const isHub = HUB_HOSTS.has(url.host);
  if (!isHub && !isEndpoint) {
    throw invalid(
      text,
      `is not on the hub ${endpoint.host}. Fetch it yourself and serve it with --model NAME=FILE.gguf, or set HF_ENDPOINT`,
    );
  }
  const base = isEndpoint ? endpoint.pathname.replace(/\/$/, '') : '';
  if (!url.pathname.startsWith(`${base}/`)) throw invalid(text, 'names no repository');
  return url.pathname.slice(base.length + 1).replace(/\/$/, '');
}

/** `org/model[:TAG]`, or the path of a page of the hub. */
function parsePath(text: string, path: string): Reference {
  const page =
    /^([^/]+\/[^/]+)\/(tree|blob|resolve)\/([^/]+)(?:\/(.+))?$/.exec(path)?.slice(1) ?? [];
  const [repository, kind, revision, file] = page;
  // Short names are ours, and no pages of a hub.
  if (!path.includes('/')) throw invalid(text, 'names no repository. Write org/model');
  if (repository === undefined) return parseName(path, text);
  const named = parseName(repository, text);
  const isFile = kind !== 'tree' && file !== undefined;
  if (named.quant !== undefined || named.file !== undefined) {
    throw invalid(text, 'names a tag in the middle of a path. Write org/model:Q4_K_M');
  }
  if (isFile) assertFile(text, file);
  return {
    ...named,
    revision: parseRevision(revision!),
    file: isFile ? file : undefined,
  };
}

function parseName(text: string, shown = text): Reference {
  if (text.startsWith('/') || text.startsWith('~') || text.startsWith('.')) {
    throw invalid(
      shown,
      'is a path. A file of your own is served with "hearth serve --model NAME=FILE.gguf"',
    );
  }
  const colon = text.indexOf(':');
  const repository = colon === -1 ? text : text.slice(0, colon);
  const tag = colon === -1 ? undefined : text.slice(colon + 1);
  if (!repository.includes('/')) return parseShort(repository, tag, shown);
  const parts = repository.split('/');
  const isRepository =
    parts.length === 2 && parts.every((part) => PART.test(part) && !part.includes('--'));
  if (!isRepository) {
    throw invalid(shown, 'is no reference. Write org/model or org/model:QUANT');
  }
  return { repository, revision: MAIN, short: undefined, ...parseTag(tag, shown) };
}

function parseTag(tag: string | undefined, shown: string): Pick<Reference, 'quant' | 'file'> {
  if (tag === undefined) return { quant: undefined, file: undefined };
  if (/\.gguf$/i.test(tag)) {
    assertFile(shown, tag);
    return { quant: undefined, file: tag };
  }
  if (!QUANT.test(tag)) {
    throw invalid(shown, 'has no quantisation behind the colon. Write org/model:Q4_K_M');
  }
  // What others call the newest is what is fetched anyway.
  return { quant: tag.toLowerCase() === 'latest' ? undefined : tag, file: undefined };
}

function parseShort(name: string, tag: string | undefined, shown: string): Reference {
  const short = findShortName(name);
  if (short === undefined) {
    const near = suggest(
      name,
      SHORT_NAMES.map((one) => one.name),
    );
    const hint = near === undefined ? '' : ` Did you mean ${near}?`;
    throw invalid(
      shown,
      `is no short name.${hint} "hearth pull" lists them; others are written org/model`,
    );
  }
  const { quant, file } = parseTag(tag, shown);
  if (file !== undefined)
    throw invalid(shown, 'names a file of a short name. Write org/model:FILE');
  return {
    repository: short.repository,
    revision: MAIN,
    short,
    quant,
    file: undefined,
  };
}

function assertFile(shown: string, file: string): void {
  const isSafe = file.split('/').every((part) => isSafeFileName(part));
  if (isSafe && /\.gguf$/i.test(file)) return;
  throw invalid(shown, 'names a file that is no GGUF. Name one that ends in .gguf');
}

function invalid(text: string, why: string): PullError {
  return new PullError('invalid_reference', `${JSON.stringify(text)} ${why}.`);
}
