/**
 * From an HTTP request to an answer of generated text, whole or streamed. The routes bring the
 * parameters and the shape of a choice; what happens in between is the same for all.
 *
 * Until the headers of a stream are out a failure is a status. They go out at the first token or
 * after `waitingHeaderMs`, whichever is first; from then on a failure is an event (`AnswerStream`).
 */
import type { FinishReason, GenerationEvent } from '../core/engine.ts';
import { RequestError } from '../core/errors.ts';
import { mayUse } from '../core/gate.ts';
import { atMost } from '../core/priority.ts';
import { type AnswerFormat, type Head, UsageSum, usageBody } from './answer-format.ts';
import { AnswerStream } from './answer-stream.ts';
import { type JsonObject, readJson } from './body.ts';
import { Call } from './call.ts';
import { Constrained } from './constrained.ts';
import type { Exchange } from './exchange.ts';
import type { ParseContext, Parsed } from './params/parse.ts';
import { SSE_CONTENT_TYPE, SSE_HEADERS, sseStream } from './sse.ts';

export type Parse = (body: JsonObject, context: ParseContext) => Parsed;

export async function answer(
  exchange: Exchange,
  parse: Parse,
  format: AnswerFormat,
): Promise<Response> {
  const { settings, newRequestId, nowS } = exchange.deps;
  const caller = exchange.knownCaller;
  const body = await readJson(exchange);
  assertMayUse(exchange, body.model);
  const parsed = parse(body, {
    models: exchange.models,
    strict: settings.strict,
    priorityHeader: exchange.header('x-priority'),
  });
  exchange.model = parsed.model.name;
  const priority = atMost(parsed.priority, caller.priorityMax);
  exchange.priority = priority;
  if (priority !== parsed.priority) exchange.priorityAsked = parsed.priority;
  exchange.ignored = parsed.ignored;
  exchange.seed = parsed.requests[0]?.sampling.seed;

  const head: Head = {
    id: `${format.idPrefix}${newRequestId()}`,
    created: nowS(),
    model: parsed.model.name,
  };
  const constrained = parsed.constraint && (await Constrained.compile(exchange, parsed.constraint));
  const requests = parsed.requests.map((request) => ({
    ...request,
    ...(constrained === undefined ? {} : { grammar: constrained.grammar }),
  }));
  const call = new Call({ exchange, ...parsed, requests, priority });
  let isHandedOver = false;
  try {
    if (!parsed.stream) {
      return await whole({ exchange, call, head, format, count: requests.length, constrained });
    }
    const source = new AnswerStream({
      exchange,
      call,
      head,
      format,
      includeUsage: parsed.includeUsage,
      constrained,
    });
    await source.opened(settings.waitingHeaderMs);
    isHandedOver = true;
    exchange.isStreaming = true;
    return exchange.respond(200, sseStream(source, settings), SSE_CONTENT_TYPE, SSE_HEADERS);
  } catch (reason) {
    throw call.errorOf(reason);
  } finally {
    if (!isHandedOver) call[Symbol.dispose]();
  }
}

/** A model that is there and not for this key: said as it is, the name of the key's own is in the message. */
function assertMayUse({ deps, knownCaller, models }: Exchange, name: unknown): void {
  if (typeof name !== 'string' || mayUse(knownCaller, name)) return;
  if (!deps.engine.models().some((model) => model.name === name)) return;
  const names = models.map((model) => model.name).join(', ') || 'none';
  throw new RequestError(
    'model_not_allowed',
    `The API key ${JSON.stringify(knownCaller.name)} may not use this model; it may use ${names}`,
    { param: 'model' },
  );
}

interface Whole {
  readonly exchange: Exchange;
  readonly call: Call;
  readonly head: Head;
  readonly format: AnswerFormat;
  /** Choices. */
  readonly count: number;
  readonly constrained: Constrained | undefined;
}

type Finished = Extract<GenerationEvent, { type: 'finished' }>;

async function whole(options: Whole): Promise<Response> {
  const { exchange, call, head, format, count, constrained } = options;
  const echoes: string[] = Array.from({ length: count }, () => '');
  const texts = [...echoes];
  const ends = new Map<number, Finished>();
  const total = new UsageSum();
  for (;;) {
    const next = await call.feed.take();
    if (next === undefined) break;
    const { index, event } = next;
    if (event.type === 'delta') texts[index] += event.text;
    else if (event.type === 'started') echoes[index] = event.promptText ?? '';
    else if (event.type === 'finished') ends.set(index, event);
    else if (event.type === 'done') total.add(event.usage);
  }
  exchange.usage = total.usage;
  const reasons: FinishReason[] = [];
  for (const [index, text] of texts.entries()) {
    const end = ends.get(index) ?? { reason: 'stop' };
    reasons.push((await constrained?.settle(text, end)) ?? end.reason);
  }
  return exchange.json(200, {
    id: head.id,
    object: format.object,
    created: head.created,
    model: head.model,
    choices: texts.map((text, index) =>
      format.choice(index, echoes[index] + text, reasons[index]!),
    ),
    usage: usageBody(total.usage),
  });
}
