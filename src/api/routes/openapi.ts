/** `GET /openapi.json`: what the server takes, from the schemas that check it. */
import type { Exchange } from '../exchange.ts';
import { openapiDocument } from '../openapi-document.ts';

export function openapi(exchange: Exchange): Response {
  return exchange.json(200, openapiDocument());
}
