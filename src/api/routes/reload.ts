/** `POST /admin/reload`: has the server read its configuration again, as SIGHUP does. Answers when it is done. */
import { controlsOf } from '../controls-of.ts';
import type { Exchange } from '../exchange.ts';

export function reloadConfiguration(exchange: Exchange): Response {
  const { applied, refused, models } = controlsOf(exchange).reload();
  const { added, removed, changed } = models;
  return exchange.json(200, { applied, refused, models: { added, removed, changed } });
}
