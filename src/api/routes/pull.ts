/**
 * `POST /admin/models/pull`: brings a model onto this machine, and tells of it while it does. Once it is there
 * the server serves it.
 */
import { RequestError } from '../../core/errors.ts';
import { readJson } from '../body.ts';
import type { Exchange } from '../exchange.ts';
import { PullBody } from '../params/pull.ts';
import { parseWith } from '../params/schema.ts';
import { findUnheardOf, refuseUnheardOf } from '../params/sort.ts';
import { PullStream } from '../pull-stream.ts';
import { SSE_CONTENT_TYPE, SSE_HEADERS, sseStream } from '../sse.ts';

export async function pullModel(exchange: Exchange): Promise<Response> {
  const { puller, settings } = exchange.deps;
  if (puller === undefined) {
    throw new RequestError('not_found', 'This server is part of a command; "hearth pull" pulls');
  }
  const body = await readJson(exchange);
  refuseUnheardOf(findUnheardOf(body, { schema: PullBody.shape, unsupported: {} }));
  const { model: reference, name, revision } = parseWith(PullBody, body);
  const request = { reference, name: name ?? undefined, revision: revision ?? undefined };
  const stream = new PullStream(exchange, puller, request);
  await stream.opened(settings.waitingHeaderMs);
  exchange.isStreaming = true;
  return exchange.respond(200, sseStream(stream, settings), SSE_CONTENT_TYPE, SSE_HEADERS);
}
