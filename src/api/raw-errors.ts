/**
 * Answers to what never became a request: text that is not HTTP, headers without end, URLs that
 * cannot be read. The same error shape as everywhere, written by hand where there is no response
 * object, and always the end of the connection, because nobody knows where the next request begins.
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';

import { type HearthError, RequestError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { errorBody, statusOf } from './error-response.ts';

/** There is no id to report: nothing of the request could be read. */
const NO_ID = 'none';
const JSON_HEADERS = { 'content-type': 'application/json', 'x-should-retry': 'false' } as const;

/** The adapter could not make a URL of target and Host. Its own words may hold both. */
export function answerBadRequest(_reason: unknown): Response {
  const error = new RequestError(
    'invalid_value',
    'The request target or the Host header cannot be read as a URL',
  );
  return new Response(JSON.stringify(errorBody(error, NO_ID)), {
    status: 400,
    headers: JSON_HEADERS,
  });
}

export function onUnknownExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const error = new RequestError('invalid_value', 'Only `Expect: 100-continue` is understood', {
    param: 'Expect',
  });
  response.writeHead(417, { ...JSON_HEADERS, connection: 'close' });
  response.end(JSON.stringify(errorBody(error, NO_ID)));
}

export function onClientError(reason: NodeJS.ErrnoException, socket: Socket, log: Log): void {
  // The same test as Node's own handler: text amid a running answer would become part of it.
  const running = (socket as { _httpMessage?: ServerResponse | null })._httpMessage;
  const canAnswer =
    socket.writable && (running === null || running === undefined || !running.headersSent);
  if (!canAnswer || reason.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const { status, error } = explain(reason);
  log.debug({ status, code: error.code, reason: reason.code }, 'refused what is not a request');
  const body = JSON.stringify(errorBody(error, NO_ID));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n` +
      'Content-Type: application/json\r\n' +
      'x-should-retry: false\r\n' +
      `Content-Length: ${Buffer.byteLength(body)}\r\n` +
      'Connection: close\r\n\r\n' +
      body,
  );
}

function explain({ code }: NodeJS.ErrnoException): { status: number; error: HearthError } {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const error = new RequestError(
      'headers_too_large',
      'The request headers are larger than 64 KiB',
    );
    return { status: statusOf(error), error };
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const message = 'The request did not arrive in time; send it again without pauses';
    return { status: 408, error: new RequestError('invalid_value', message) };
  }
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') {
    const error = new RequestError('body_too_large', 'The chunk extensions are too large');
    return { status: statusOf(error), error };
  }
  const message = 'The request is not valid HTTP/1.1 and was not read';
  return { status: 400, error: new RequestError('invalid_value', message) };
}
