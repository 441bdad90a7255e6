/** What is logged (`GET /admin/log`), and another level for it (`PUT`), until the server ends. */
import * as z from 'zod';

import type { Controls } from '../../core/controls.ts';
import { LOG_LEVELS } from '../../core/log.ts';
import { readJson } from '../body.ts';
import { controlsOf } from '../controls-of.ts';
import type { Exchange } from '../exchange.ts';
import { parseWith } from '../params/schema.ts';
import { findUnheardOf, refuseUnheardOf } from '../params/sort.ts';

const LogBody = z.object({ level: z.enum(LOG_LEVELS) });

export function getLog(exchange: Exchange): Response {
  return answer(exchange, controlsOf(exchange));
}

export async function putLog(exchange: Exchange): Promise<Response> {
  const controls = controlsOf(exchange);
  const body = await readJson(exchange);
  refuseUnheardOf(findUnheardOf(body, { schema: LogBody.shape, unsupported: {} }));
  const { level } = parseWith(LogBody, body);
  const before = controls.logLevel;
  controls.logLevel = level;
  exchange.deps.log.info({ before, level }, 'log level set');
  return answer(exchange, controls);
}

function answer(exchange: Exchange, { logLevel }: Controls): Response {
  return exchange.json(200, { level: logLevel });
}
