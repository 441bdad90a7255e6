/** `GET /metrics` in Prometheus' text format (row MX-018), under the same guard as all else. */
import type { Exchange } from '../exchange.ts';

export async function metricsText(exchange: Exchange): Promise<Response> {
  const { metrics } = exchange.deps;
  return exchange.respond(200, await metrics.render(), metrics.contentType);
}
