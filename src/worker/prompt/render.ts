/**
 * Messages to the pieces of text that a model reads, by the model's own chat template.
 *
 * Shapes  the pieces, joined, are the prompt; each is tokenised by itself with specials on.
 * Errors  RequestError when the model has no template, or its template refuses the messages.
 * Source  Hugging Face chat templates; the template comes from the model file only.
 */
import { Template } from '@huggingface/jinja';

import type { Message } from '../../core/engine.ts';
import { RequestError } from '../../core/errors.ts';
import { createGuard, type Guard } from './guard.ts';

export interface TemplateSource {
  /** Undefined for base models. */
  readonly template: string | undefined;
  readonly bosText: string;
  readonly eosText: string;
  readonly control: readonly string[];
  readonly marks: readonly string[];
}

export class ChatTemplate {
  readonly #source: TemplateSource;
  #parsed: Template | undefined;

  constructor(source: TemplateSource) {
    this.#source = source;
  }

  /** Renders the conversation and the opening of the assistant's next turn. */
  render(messages: readonly Message[]): string[] {
    const { template, bosText, eosText, control, marks } = this.#source;
    if (template === undefined) {
      throw new RequestError(
        'invalid_value',
        'This model has no chat template, so it cannot read messages. Use /v1/completions.',
        { param: 'messages' },
      );
    }
    const guard = createGuard({ control, marks, request: stringsOf(messages) });
    let rendered: string;
    try {
      this.#parsed ??= new Template(template);
      rendered = this.#parsed.render({
        messages: messages.map((message) => toTemplateMessage(message, guard)),
        add_generation_prompt: true,
        bos_token: bosText,
        eos_token: eosText,
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new RequestError(
        'invalid_value',
        `The model's chat template refuses these messages: ${reason.slice(0, 200)}`,
        { param: 'messages', cause: error },
      );
    }
    return guard.split(rendered);
  }
}

function stringsOf(messages: readonly Message[]): string[] {
  return messages.flatMap(({ parts, name, toolCalls, toolCallId }) => [
    ...parts.map((part) => part.text),
    name ?? '',
    toolCallId ?? '',
    ...(toolCalls ?? []).flatMap((call) => [call.id, call.name, call.arguments]),
  ]);
}

function toTemplateMessage(message: Message, guard: Guard): Record<string, unknown> {
  const own = message.role === 'assistant';
  const content = guard.protect(message.parts.map((part) => part.text).join(''), own);
  const result: Record<string, unknown> = {
    // Templates know `system`; `developer` is its name in newer clients.
    role: message.role === 'developer' ? 'system' : message.role,
    content,
  };
  if (message.name !== undefined) result.name = guard.protect(message.name);
  if (message.toolCallId !== undefined) result.tool_call_id = guard.protect(message.toolCallId);
  if (message.toolCalls !== undefined && message.toolCalls.length > 0) {
    result.tool_calls = message.toolCalls.map((call) => ({
      id: guard.protect(call.id, own),
      type: 'function',
      function: {
        name: guard.protect(call.name, own),
        arguments: toArguments(guard.protect(call.arguments, own)),
      },
    }));
  }
  return result;
}

/** Templates print arguments with `tojson`, so they get the object; text that is no JSON stays text. */
function toArguments(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Models do write broken JSON, and clients send it back: the template then sees the text.
    return text;
  }
}
