/**
 * Reads the JSON body of a request: bounded while it arrives, looked at before it is parsed.
 *
 *   bytes ──count──▶ decode (gzip, zstd) ──count──▶ scan ──▶ JSON.parse ──▶ object
 *
 * Every byte is counted by ourselves, encoded and decoded: a Content-Length may lie or be missing.
 * Pieces longer than 256 KiB are scanned in slices with a turn of the event loop between them.
 *
 * Errors  RequestError unsupported_media_type, length_required, body_too_large, invalid_json,
 *         client_closed_request. After one of them the rest of the body is left to the server,
 *         which drains it within limits, so that the connection can be used again.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';

import { RequestError } from '../core/errors.ts';
import { clientLeft, type Exchange } from './exchange.ts';
import { JsonScanner } from './json-scan.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

const SLICE_BYTES = 256 * 1024;
/** zstd may ask for a window of 2 GiB; 32 MiB is more than any body we take. */
const ZSTD_WINDOW_LOG_MAX = 25;
const CONTENT_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

/** The body as an object without prototype surprises: its keys are the client's own. */
export async function readJson(exchange: Exchange): Promise<JsonObject> {
  checkContentType(exchange.header('content-type'));
  const encoding = parseEncoding(exchange.header('content-encoding'));
  const maxBytes = exchange.deps.settings.bodyMaxBytes;
  checkLength(exchange, maxBytes);

  const sink = new BodySink(maxBytes);
  const { incoming } = exchange;
  if (incoming !== undefined) continueIfExpected(exchange, incoming);
  const body = incoming ?? exchange.c.req.raw.body;
  if (encoding !== 'identity') {
    // Leaving the loop early must not destroy the socket that the error has to go through.
    const chunks = incoming?.iterator({ destroyOnReturn: false }) ?? body ?? [];
    await readEncoded(chunks as AsyncIterable<Uint8Array>, encoding, sink, maxBytes);
  } else if (incoming !== undefined) await readPlain(incoming, sink);
  else if (body !== null) await readSliced(body as ReadableStream<Uint8Array>, sink);
  return sink.parse();
}

type Encoding = 'identity' | 'gzip' | 'zstd';

function checkContentType(type: string | undefined): void {
  if (type !== undefined && (type === 'application/json' || CONTENT_TYPE.test(type))) return;
  throw new RequestError(
    'unsupported_media_type',
    type === undefined
      ? 'The body has no Content-Type; send `Content-Type: application/json`'
      : 'The body is not application/json in UTF-8; send `Content-Type: application/json`',
    { param: 'Content-Type' },
  );
}

function parseEncoding(value: string | undefined): Encoding {
  const name = (value ?? 'identity').trim().toLowerCase();
  if (name === 'identity' || name === 'gzip' || name === 'zstd') return name;
  if (name === 'x-gzip') return 'gzip';
  throw new RequestError(
    'unsupported_media_type',
    'The Content-Encoding of the body is not known; send it uncompressed, gzip or zstd',
    { param: 'Content-Encoding' },
  );
}

function checkLength(exchange: Exchange, maxBytes: number): void {
  const length = exchange.header('content-length');
  if (length !== undefined && Number(length) > maxBytes) throw tooLarge(maxBytes);
  const hasLength = length !== undefined || exchange.header('transfer-encoding') !== undefined;
  if (exchange.incoming !== undefined && !hasLength) {
    throw new RequestError('length_required', 'The request has no body; send a Content-Length');
  }
}

/** The client waits for leave to send its body: everything that can be refused has been. */
function continueIfExpected(exchange: Exchange, incoming: IncomingMessage): void {
  if (incoming.headers.expect === undefined) return;
  (exchange.c.env.outgoing as ServerResponse | undefined)?.writeContinue();
}

function tooLarge(maxBytes: number): RequestError {
  return new RequestError(
    'body_too_large',
    `The body is larger than ${maxBytes} bytes; send less, or raise \`[limits] body_max_bytes\``,
  );
}

/** Counts, scans and keeps the decoded bytes. */
class BodySink {
  readonly #maxBytes: number;
  readonly #chunks: Uint8Array[] = [];
  readonly #scanner = new JsonScanner();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Throws for what is too much or not JSON. Meant for pieces of up to SLICE_BYTES. */
  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#maxBytes) throw tooLarge(this.#maxBytes);
    this.#scanner.push(chunk);
    this.#chunks.push(chunk);
  }

  async parse(): Promise<JsonObject> {
    this.#scanner.end();
    const isLarge = this.#bytes > SLICE_BYTES;
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks.length = 0;
    if (isLarge) await turn();
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const text = buffer.toString(this.#scanner.hasNonAscii ? 'utf8' : 'latin1');
    if (isLarge) await turn();
    return JSON.parse(text) as JsonObject;
  }
}

function readPlain(incoming: IncomingMessage, sink: BodySink): Promise<void> {
  return new Promise((resolve, reject) => {
    function stop(): void {
      incoming.off('data', onData);
      incoming.off('end', onEnd);
      incoming.off('error', onGone);
      incoming.off('close', onGone);
    }
    function onData(chunk: Buffer): void {
      try {
        sink.push(chunk);
      } catch (error) {
        stop();
        reject(error);
      }
    }
    function onEnd(): void {
      stop();
      resolve();
    }
    function onGone(): void {
      stop();
      reject(clientLeft());
    }
    incoming.on('data', onData);
    incoming.on('end', onEnd);
    incoming.on('error', onGone);
    incoming.on('close', onGone);
    if (incoming.destroyed && !incoming.readableEnded) onGone();
  });
}

/** Reads on while the decoder has room; stops at once when it fails or a limit is passed. */
async function readEncoded(
  chunks: AsyncIterable<Uint8Array>,
  encoding: 'gzip' | 'zstd',
  sink: BodySink,
  maxBytes: number,
): Promise<void> {
  const decoder = makeDecoder(encoding);
  const decoded = drainDecoder(decoder, encoding, sink);
  // Awaited at the end; until then a failure only has to stop the decoder.
  decoded.catch(() => decoder.destroy());
  let bytes = 0;
  try {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      if (decoder.destroyed || decoder.readableEnded) break;
      if (!decoder.write(chunk)) await Promise.race([once(decoder, 'drain'), decoded]);
    }
  } catch (error) {
    decoder.destroy();
    throw error instanceof RequestError ? error : clientLeft();
  }
  if (!decoder.destroyed) decoder.end();
  await decoded;
}

function makeDecoder(encoding: 'gzip' | 'zstd') {
  if (encoding === 'gzip') return createGunzip();
  const params = { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX };
  return createZstdDecompress({ params });
}

type Decoder = ReturnType<typeof makeDecoder>;

async function drainDecoder(decoder: Decoder, encoding: string, sink: BodySink): Promise<void> {
  const chunks: AsyncIterable<Uint8Array> = decoder;
  try {
    for await (const chunk of chunks) sink.push(chunk);
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw new RequestError('invalid_json', `The body could not be decoded as ${encoding}`, {
      cause: error,
    });
  }
}

/** Without a socket, as under `app.request()`: pieces can be of any size. */
async function readSliced(chunks: AsyncIterable<Uint8Array>, sink: BodySink): Promise<void> {
  for await (const chunk of chunks) {
    for (let from = 0; from < chunk.length; from += SLICE_BYTES) {
      if (from > 0) await turn();
      sink.push(chunk.subarray(from, from + SLICE_BYTES));
    }
  }
}
