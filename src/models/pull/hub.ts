/**
 * What the hub knows of a repository: its commit, its files with sizes and hashes, its licence.
 *
 *   GET {endpoint}/api/models/{org}/{name}/revision/{rev}?blobs=true
 *   GET {endpoint}/{org}/{name}/resolve/{commit}/{path}        a file, mostly by a redirect to a store
 *
 * The commit is asked for once; all files come from it, whatever is pushed meanwhile.
 *
 * Units   bytes.
 * Errors  PullError; TransferError has been tried several times then and comes as `unreachable`.
 * Source  Hugging Face Hub API; `X-Error-Code` and `X-Error-Message` as its Python client reads them. A
 *         repository that does not exist is a 401 to whoever has no token: it may be a private one.
 */
import type { IncomingMessage } from 'node:http';
import * as z from 'zod';

import { type HubClient, retryAfterMs } from './hub-client.ts';
import { PullError, TransferError } from './pull-error.ts';
import type { Reference } from './reference.ts';
import { type RetryPolicy, withRetries } from './retry.ts';

export interface HubFile {
  readonly path: string;
  readonly bytes: number;
  /** Of a large file; small ones have a git hash. */
  readonly sha256: string | undefined;
  /** SHA-1 of `blob <bytes>\0` and the content. */
  readonly gitHash: string | undefined;
}

export interface Listing {
  readonly repository: string;
  readonly commit: string;
  readonly licence: string | undefined;
  readonly isMlx: boolean;
  readonly files: readonly HubFile[];
}

const ANSWER_MAX_BYTES = 32 * 2 ** 20;
const FILES_MAX = 50_000;
const SHA256 = z.string().regex(/^[0-9a-f]{64}$/);
const GIT_HASH = z.string().regex(/^[0-9a-f]{40}$/);
const BYTES = z.int().nonnegative();

const Sibling = z.object({
  rfilename: z.string(),
  size: BYTES.nullish(),
  blobId: GIT_HASH.nullish(),
  lfs: z.object({ sha256: SHA256, size: BYTES }).nullish(),
});

const ModelInfo = z.object({
  sha: GIT_HASH,
  siblings: z.array(Sibling).max(FILES_MAX),
  tags: z.array(z.string()).nullish(),
  library_name: z.string().nullish(),
  cardData: z
    .object({
      license: z.union([z.string(), z.array(z.string())]).nullish(),
      license_name: z.string().nullish(),
    })
    .nullish(),
});

export async function fetchListing(
  client: HubClient,
  reference: Reference,
  { retry, signal }: { readonly retry: RetryPolicy; readonly signal: AbortSignal },
): Promise<Listing> {
  const { repository, revision } = reference;
  const url = hubUrl(client, `api/models/${repository}/revision/${revision}?blobs=true`);
  const text = await reachable(client, () =>
    withRetries(retry, signal, async () => {
      const { response } = await client.get(url, { signal });
      if (response.statusCode !== 200) {
        throw await explainStatus(response, { reference, client });
      }
      if (!/^application\/json\b/i.test(response.headers['content-type'] ?? '')) {
        response.destroy();
        throw notData(client.endpoint.host);
      }
      return readText(response, ANSWER_MAX_BYTES, client.silenceMs);
    }),
  );
  return toListing(repository, text, client.endpoint.host);
}

export function fileUrl(client: HubClient, listing: Listing, path: string): URL {
  const inUrl = path.split('/').map(encodeURIComponent).join('/');
  return hubUrl(client, `${listing.repository}/resolve/${listing.commit}/${inUrl}`);
}

function hubUrl({ endpoint }: HubClient, path: string): URL {
  return new URL(`${endpoint.href.replace(/\/$/, '')}/${path}`);
}

function toListing(repository: string, text: string, host: string): Listing {
  const parsed = ModelInfo.safeParse(parseJson(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue?.path.join('.') || 'the answer';
    throw new PullError(
      'broken',
      `What ${host} says of ${repository} cannot be read (${where}). Is HF_ENDPOINT a hub?`,
    );
  }
  const { sha, siblings, tags, library_name: library, cardData } = parsed.data;
  const known = tags ?? [];
  const files = siblings.flatMap(toFile);
  if (files.length === 0 && siblings.length > 0) {
    throw new PullError(
      'broken',
      `${host} lists the files of ${repository} without size and hash, so that nothing can be checked. Use another hub.`,
    );
  }
  return {
    repository,
    commit: sha,
    licence: licenceOf(cardData ?? {}, known),
    isMlx: library === 'mlx' || known.includes('mlx'),
    files,
  };
}

/** Without a size or a hash it is as good as not there: what cannot be checked is not fetched. */
function toFile({ rfilename: path, size, blobId, lfs }: z.output<typeof Sibling>): HubFile[] {
  if (lfs) return [{ path, bytes: lfs.size, sha256: lfs.sha256, gitHash: undefined }];
  if (typeof size !== 'number' || typeof blobId !== 'string') return [];
  return [{ path, bytes: size, sha256: undefined, gitHash: blobId }];
}

function licenceOf(
  { license, license_name: name }: { license?: unknown; license_name?: string | null | undefined },
  tags: readonly string[],
): string | undefined {
  const stated = Array.isArray(license) ? license.join(', ') : license;
  const tagged = tags.find((tag) => tag.startsWith('license:'))?.slice('license:'.length);
  const id = typeof stated === 'string' ? stated : tagged;
  const text = id === 'other' && name ? name : id;
  // It is shown: one line, without anything that moves a terminal's cursor.
  return text?.replaceAll(/[^\x20-\x7e]/g, '').slice(0, 100);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a status means that is none of success. Reads or destroys the body. */
export async function explainStatus(
  response: IncomingMessage,
  { reference, client }: { readonly reference: Reference; readonly client: HubClient },
): Promise<PullError | TransferError> {
  const { statusCode: status = 0, headers } = response;
  response.destroy();
  const { host } = client.endpoint;
  const { repository, revision } = reference;
  const code = String(headers['x-error-code'] ?? '');
  const said = String(headers['x-error-message'] ?? '');
  if (status === 429 || status >= 500) {
    const afterMs = retryAfterMs(response, Date.now());
    const what = status === 429 ? 'asks for fewer requests (429)' : `has a fault (${status})`;
    return new TransferError(`${host} ${what}`, afterMs === undefined ? {} : { afterMs });
  }
  if (code === 'GatedRepo') {
    const then = client.hasToken
      ? 'try again: so far your HF_TOKEN has not been let in'
      : 'set HF_TOKEN to a token of your account';
    return new PullError(
      'not_allowed',
      `${repository} is gated: accept its terms at ${host}/${repository}, then ${then}.`,
    );
  }
  if (code === 'RevisionNotFound') {
    return new PullError(
      'not_found',
      `${repository} has no revision ${revision}. Leave --revision out for the newest.`,
    );
  }
  if (code === 'EntryNotFound') {
    return new PullError(
      'not_found',
      `${repository} has lost a file that ${host} lists. Try again.`,
    );
  }
  if (client.hasToken && /invalid credentials|invalid user|token/i.test(said)) {
    return new PullError(
      'not_allowed',
      `${host} does not accept your HF_TOKEN. Make a new one, or unset it for public models.`,
    );
  }
  if (status === 404 || code === 'RepoNotFound' || status === 401) {
    const unless = client.hasToken
      ? 'or your HF_TOKEN may not see it'
      : 'or is private and needs HF_TOKEN';
    return new PullError(
      'not_found',
      `${host} knows no model ${repository}. It does not exist, ${unless}.`,
    );
  }
  if (status === 403) {
    return new PullError(
      'not_allowed',
      `${host} does not let you have ${repository} (403). Check HF_TOKEN and the terms of the model.`,
    );
  }
  return new PullError(
    'broken',
    `${host} answered ${status} for ${repository}. Try again, or check HF_ENDPOINT.`,
  );
}

/** A login page of a network, or a server that is no hub. */
export function notData(host: string): PullError {
  return new PullError(
    'broken',
    `${host} answered with a web page instead of data. Is there a login page in your network, or is HF_ENDPOINT no hub?`,
  );
}

/** Turns what remained of several attempts into what people are told. */
export async function reachable<Result>(
  { endpoint }: HubClient,
  act: () => Promise<Result>,
): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof TransferError)) throw error;
    throw new PullError(
      'unreachable',
      `Cannot fetch from ${endpoint.host}: ${error.message}. Check the network and run it again; what is there is kept.`,
      { cause: error },
    );
  }
}

async function readText(
  body: IncomingMessage,
  maxBytes: number,
  silenceMs: number,
): Promise<string> {
  const silence = setTimeout(() => {
    body.destroy(new TransferError('the hub fell silent in the middle of an answer'));
  }, silenceMs);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      silence.refresh();
      bytes += chunk.length;
      if (bytes > maxBytes) throw new PullError('broken', 'The hub lists more than can be read.');
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof PullError || error instanceof TransferError) throw error;
    throw new TransferError('the connection was cut', { cause: error });
  } finally {
    clearTimeout(silence);
  }
  return Buffer.concat(chunks).toString('utf8');
}
