/**
 * The key that a request brings: `Authorization: Bearer KEY`, as OpenAI's clients send it, or
 * `x-api-key: KEY`, as Anthropic's do. In a URL it would stand in histories and logs, so there it is
 * refused, also where no key is needed.
 *
 * Errors  RequestError that never holds what was sent.
 * Source  RFC 6750 §2.1 and §5.3.
 */
import { RequestError } from '../core/errors.ts';
import type { Exchange } from './exchange.ts';

const BEARER = /^bearer +(\S+)$/i;
const IN_QUERY = /[?&](?:(?:x-)?api[-_]?key|key|access_token|token|authorization)=/i;

export function refuseKeyInUrl(exchange: Exchange): void {
  if (IN_QUERY.test(exchange.incoming?.url ?? exchange.c.req.url)) {
    throw new RequestError(
      'invalid_value',
      'A key in the URL is not taken: it would stand in histories and logs. ' +
        'Send it as `Authorization: Bearer KEY`, and replace this one',
    );
  }
}

/** Undefined where there is none, or something that is no bearer token: others may have added it. */
export function secretOf(exchange: Exchange): string | undefined {
  const bearer = BEARER.exec(exchange.header('authorization')?.trim() ?? '')?.[1];
  const plain = exchange.header('x-api-key')?.trim() || undefined;
  if (bearer !== undefined && plain !== undefined && bearer !== plain) {
    throw new RequestError(
      'invalid_value',
      '`Authorization` and `x-api-key` hold two different keys; send one of them',
      { param: 'x-api-key' },
    );
  }
  return bearer ?? plain;
}
