/**
 * A hub on loopback that speaks the API of the real one: what a repository holds, and its files by a redirect
 * to a store on another port, with ranges. It can be told to do to each request what networks do.
 *
 *   GET /api/models/org/name/revision/rev?blobs=true      JSON
 *   GET /org/name/resolve/commit/path                     302 to the store; small files at once
 *   GET {store}/org/name/path?signature=…                 the bytes
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HubRepository {
  readonly files: Readonly<Record<string, Buffer>>;
  /** Another one is another state of the repository. */
  readonly commit?: string;
  readonly tags?: readonly string[];
  readonly library?: string;
  readonly licence?: string;
  readonly isGated?: boolean;
  readonly isPrivate?: boolean;
  /** What the hub lists instead of the true hash. */
  readonly listedSha256?: Readonly<Record<string, string>>;
}

export type Fault =
  /** So many bytes of the body, then the connection is closed. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** So many bytes of the body, then nothing. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  | { readonly kind: 'redirect'; readonly location: string }
  | { readonly kind: 'no-ranges' }
  | { readonly kind: 'etag'; readonly etag: string }
  | { readonly kind: 'bytes'; readonly content: Buffer }
  /** Goes on when the promise resolves. */
  | { readonly kind: 'wait'; readonly until: Promise<unknown> };

export interface HubRequest {
  readonly place: 'hub' | 'store';
  /** Without the query. */
  readonly path: string;
  readonly query: string;
  /** Of the range that was asked for. */
  readonly range: string | undefined;
  readonly authorization: string | undefined;
  /** Counts all requests, from 0. */
  readonly number: number;
}

export const COMMIT = 'a'.repeat(40);
/** What it takes. */
export const TOKEN = 'hf_local-test-token';
const SLICE_BYTES = 64 * 1024;
const LFS_FROM_BYTES = 1024;

export class LocalHub implements AsyncDisposable {
  readonly repositories = new Map<string, HubRepository>();
  readonly requests: HubRequest[] = [];
  /** Of bodies from the store. */
  bytesSent = 0;
  /** Asked for every request. */
  fault: (request: HubRequest) => Fault | undefined = () => undefined;
  /** They stay known after the end. */
  readonly url: string;
  readonly storeUrl: string;
  readonly #hub: Server;
  readonly #store: Server;
  readonly #watchers = new Set<() => void>();

  private constructor(hub: Server, store: Server) {
    this.#hub = hub;
    this.#store = store;
    this.url = urlOf(hub);
    this.storeUrl = urlOf(store);
  }

  static async start(): Promise<LocalHub> {
    const [hub, store] = [createServer(), createServer()];
    for (const server of [hub, store]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    const local = new LocalHub(hub, store);
    hub.on('request', (request, response) => local.#serve('hub', request, response));
    store.on('request', (request, response) => local.#serve('store', request, response));
    return local;
  }

  /** Of the store, bodies only. */
  get storeRequests(): readonly HubRequest[] {
    return this.requests.filter(({ place }) => place === 'store');
  }

  /** Resolves once it holds; looked at with every request and every slice that is sent. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = [this.#hub, this.#store].map(async (server) => {
      const close = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await close;
    });
    await Promise.all(closed);
  }

  #serve(place: 'hub' | 'store', incoming: IncomingMessage, response: ServerResponse): void {
    const url = new URL(incoming.url ?? '/', 'http://hub');
    const request: HubRequest = {
      place,
      path: decodeURIComponent(url.pathname),
      query: url.search,
      range: incoming.headers.range,
      authorization: incoming.headers.authorization,
      number: this.requests.length,
    };
    this.requests.push(request);
    this.#changed();
    response.on('error', () => {}); // The client has gone, which tests are about.
    const fault = this.fault(request);
    if (fault?.kind === 'wait') {
      fault.until.then(() => this.#answer(request, response, undefined));
    } else this.#answer(request, response, fault);
  }

  #answer(request: HubRequest, response: ServerResponse, fault: Fault | undefined): void {
    if (fault?.kind === 'status') {
      response.writeHead(fault.status, fault.headers).end(fault.body);
    } else if (fault?.kind === 'redirect') {
      response.writeHead(302, { location: fault.location }).end();
    } else if (request.place === 'store') {
      const [, org, name, ...rest] = request.path.split('/');
      const content = this.repositories.get(`${org}/${name}`)?.files[rest.join('/')];
      if (content === undefined) response.writeHead(404).end();
      else this.#send(request, response, content, fault);
    } else if (request.path.startsWith('/api/models/')) this.#list(request, response);
    else this.#resolve(request, response, fault);
  }

  #list({ path, authorization }: HubRequest, response: ServerResponse): void {
    const [, name, revision] = /^\/api\/models\/([^/]+\/[^/]+)\/revision\/(.+)$/.exec(path) ?? [];
    const repository = this.repositories.get(name ?? '');
    if (repository === undefined || (repository.isPrivate && authorization !== `Bearer ${TOKEN}`)) {
      const status = authorization === undefined ? 401 : 404;
      response.writeHead(status, { 'x-error-code': 'RepoNotFound' }).end('{"error":"x"}');
      return;
    }
    const commit = repository.commit ?? COMMIT;
    if (revision !== 'main' && revision !== commit) {
      response.writeHead(404, { 'x-error-code': 'RevisionNotFound' }).end('{}');
      return;
    }
    const siblings = Object.entries(repository.files).map(([rfilename, content]) => {
      const size = content.length;
      if (size < LFS_FROM_BYTES) return { rfilename, size, blobId: gitHash(content) };
      const sha256 = repository.listedSha256?.[rfilename] ?? sha256Of(content);
      return { rfilename, size, blobId: 'f'.repeat(40), lfs: { sha256, size, pointerSize: 134 } };
    });
    const { tags = ['gguf'], library, licence, isGated } = repository;
    const cardData = licence === undefined ? undefined : { license: licence };
    const body = { id: name, sha: commit, gated: isGated ? 'manual' : false, tags, siblings };
    response
      .writeHead(200, { 'content-type': 'application/json; charset=utf-8' })
      .end(JSON.stringify({ ...body, library_name: library, cardData }));
  }

  #resolve(request: HubRequest, response: ServerResponse, fault: Fault | undefined): void {
    const [, name, , path] = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(request.path) ?? [];
    const repository = this.repositories.get(name ?? '');
    const content = repository?.files[path ?? ''];
    if (repository?.isGated && request.authorization !== `Bearer ${TOKEN}`) {
      const status = request.authorization === undefined ? 401 : 403;
      response.writeHead(status, { 'x-error-code': 'GatedRepo' }).end();
    } else if (content === undefined) {
      response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
    } else if (content.length < LFS_FROM_BYTES) this.#send(request, response, content, fault);
    else {
      const location = `${this.storeUrl}/${name}/${path}?signature=secret`;
      const headers = { 'x-linked-size': content.length, 'x-repo-commit': COMMIT };
      response.writeHead(302, { location, ...headers }).end();
    }
  }

  #send(
    request: HubRequest,
    response: ServerResponse,
    listed: Buffer,
    fault: Fault | undefined,
  ): void {
    const content = fault?.kind === 'bytes' ? fault.content : listed;
    const total = content.length;
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.range ?? '') ?? [];
    const isRange = first !== undefined && fault?.kind !== 'no-ranges';
    const start = isRange ? Number(first) : 0;
    const end = isRange ? Math.min(Number(last) + 1, total) : total;
    const etag = fault?.kind === 'etag' ? fault.etag : `"${total}-of-it"`;
    response.writeHead(isRange ? 206 : 200, {
      'content-type': 'application/octet-stream',
      'content-length': end - start,
      etag,
      ...(isRange ? { 'content-range': `bytes ${start}-${end - 1}/${total}` } : {}),
    });
    response.flushHeaders();
    const isShort = fault?.kind === 'cut' || fault?.kind === 'stall';
    const until = isShort ? Math.min(end, start + fault.afterBytes) : end;
    this.#stream(response, content.subarray(start, until), () => {
      if (fault?.kind === 'cut' && until < end) response.socket?.destroy();
      else if (until === end) response.end();
    });
  }

  #stream(response: ServerResponse, bytes: Buffer, done: () => void): void {
    if (bytes.length === 0) {
      done();
      return;
    }
    const slice = bytes.subarray(0, SLICE_BYTES);
    response.write(slice, (error) => {
      if (error) return;
      this.bytesSent += slice.length;
      this.#changed();
      this.#stream(response, bytes.subarray(SLICE_BYTES), done);
    });
  }

  #changed(): void {
    for (const look of this.#watchers) look();
  }
}

/** Begins as a GGUF file does; the rest is noise by its seed. No model. */
export function ggufNoise(bytes: number, seed = 'seed'): Buffer {
  const content = Buffer.alloc(bytes);
  const block = 1 << 20;
  for (let at = 0; at < bytes; at += block) {
    // A block of pseudo-random bytes, as an extendable-output function gives them.
    const hash = createHash('shake256', { outputLength: Math.min(block, bytes - at) });
    hash.update(`${seed} ${at}`).digest().copy(content, at);
  }
  content.write('GGUF', 0, 'latin1');
  return content;
}

export function sha256Of(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function gitHash(content: Buffer): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}
