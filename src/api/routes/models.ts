/** `GET /v1/models` in OpenAI's exact list shape, and `GET /v1/models/{id}` with all we know. */
import type { ModelInfo } from '../../core/engine.ts';
import type { Exchange } from '../exchange.ts';
import { findModel } from '../params/parse.ts';

/** The default model stands first: clients that ask for nothing take that one. */
export function listModels(exchange: Exchange): Response {
  const data = exchange.models.map(modelBody);
  return exchange.json(200, { object: 'list', data });
}

/** Names may hold slashes, plain or escaped. */
export function oneModel(exchange: Exchange): Response {
  const name = exchange.c.req.param('id') ?? '';
  const model = findModel(exchange.models, name);
  exchange.model = model.name;
  const { facts, defaults } = model;
  return exchange.json(200, {
    ...modelBody(model),
    ...modelState(model),
    backend: model.backend,
    ...(model.description === undefined ? {} : { description: model.description }),
    slots: model.slots,
    context_tokens: model.contextTokens,
    defaults: {
      temperature: defaults.temperature ?? 1,
      top_p: defaults.topP ?? 1,
      top_k: defaults.topK ?? 0,
      min_p: defaults.minP ?? 0,
      frequency_penalty: defaults.frequencyPenalty ?? 0,
      presence_penalty: defaults.presencePenalty ?? 0,
      repeat_penalty: defaults.repeatPenalty ?? 1,
      ignore_eos: defaults.ignoreEos ?? false,
      max_tokens: defaults.maxTokens ?? null,
    },
    ...(facts === undefined
      ? {}
      : {
          facts: {
            architecture: facts.architecture,
            parameters: facts.parameters,
            file_bytes: facts.fileBytes,
            trained_context_tokens: facts.trainedContextTokens,
            vocabulary_size: facts.vocabularySize,
            chat: facts.chat,
            device: facts.device,
          },
        }),
  });
}

function modelBody({ name, createdS }: ModelInfo) {
  return { id: name, object: 'model', created: createdS, owned_by: 'hearth' };
}

/** Also for `/ready` and the admin port. */
export function modelState({ state, reason, progress }: ModelInfo) {
  return {
    state,
    ...(reason === undefined ? {} : { reason }),
    ...(progress === undefined ? {} : { progress }),
  };
}
