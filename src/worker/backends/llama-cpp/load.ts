/**
 * Opens the library, a model file and a context.
 *
 * Units   milliseconds in `loadMs`, tokens per slot in `contextTokens`.
 * Errors  LoadError with one line for people and the tail of the native log, where llama.cpp writes
 *         its true reason. A file that makes the native code abort takes the process with it: that
 *         is why this runs in one of its own.
 */
import { stat } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import {
  GgufInsights,
  type Llama,
  type LlamaContext,
  LlamaLogLevel,
  type LlamaModel,
  type LlamaOptions,
  readGgufFileInfo,
} from 'node-llama-cpp';

import { LoadError, type Loaded, type LoadSpec } from '../../backend.ts';
import { ChatTemplate } from '../../prompt/render.ts';
import { AddonExecutor, addonMismatch } from './addon.ts';
import type { Executor } from './executor.ts';
import { assertGgufHeader } from './header.ts';
import { openLibrary } from './library.ts';
import { inSlotOrder, PublicExecutor, RESERVED_TOKENS } from './public.ts';
import { Vocabulary } from './vocabulary.ts';

export type LlamaPath = 'auto' | 'internal' | 'public';

export interface LoadedLlama {
  readonly loaded: Loaded;
  readonly executor: Executor;
  readonly vocabulary: Vocabulary;
  readonly template: ChatTemplate;
  /** One piece of text, with special tokens recognised. */
  tokenize(text: string): number[];
  /** Put before a prompt that does not begin with it. */
  readonly bos: number | undefined;
  /** On the GPU, as allocated at load: weights, KV cache and buffers do not move afterwards. */
  readonly gpuBytes: number;
  close(): Promise<void>;
}

/** Larger steps gain nothing on CPU or Metal, and a cancel waits for the step. */
const BATCH_TOKENS = 512;
const LOG_TAIL_CHARS = 4096;

/**
 * Bytes that the load would take, by the library's own reading of the header: weights, KV caches of all
 * slots, graph. Takes half a second, so nobody asks who knows.
 */
export async function estimateLlama(spec: LoadSpec): Promise<number> {
  try {
    await assertModelFile(spec.path);
    const info = await readGgufFileInfo(spec.path, { readTensorInfo: true });
    const insights = await GgufInsights.from(info);
    const gpuLayers = spec.gpu === 'off' ? 0 : insights.totalLayers;
    const model = await insights.estimateModelResourceRequirementsV2({ gpuLayers });
    const context = await insights.estimateContextResourceRequirementsV2({
      contextSize: atMostTrained(spec, insights.trainContextSize),
      modelGpuLayers: gpuLayers,
      batchSize: BATCH_TOKENS,
      sequences: spec.slots,
    });
    return Math.ceil(model.cpuRam + model.gpuVram + context.cpuRam + context.gpuVram);
  } catch (error) {
    throw toLoadError(error, spec.path, '');
  }
}

export async function loadLlama(
  spec: LoadSpec,
  { path, onProgress }: { path: LlamaPath; onProgress(fraction: number): void },
): Promise<LoadedLlama> {
  let log = '';
  const logger = (_level: LlamaLogLevel, message: string) => {
    log = (log + message).slice(-LOG_TAIL_CHARS);
  };
  const opened: { dispose(): Promise<void> }[] = [];
  const close = async () => {
    for (const part of opened.reverse()) await part.dispose();
    opened.length = 0;
  };
  try {
    const fileBytes = await assertModelFile(spec.path);

    const loadMs: Record<string, number> = {};
    let last = performance.now();
    const lap = (name: string) => {
      const now = performance.now();
      loadMs[name] = now - last;
      last = now;
    };
    const { llama, isDirect } = await openLibrary(libraryOptions(spec, logger));
    opened.push(llama);
    lap(isDirect ? 'library' : 'libraryAndTrial');
    const model = await llama.loadModel({
      modelPath: spec.path,
      onLoadProgress: onProgress,
      // The orchestrator owns memory admission; the library's own guess refuses what would fit.
      ignoreMemorySafetyChecks: true,
    });
    opened.push(model);
    lap('model');
    const contextTokens = atMostTrained(spec, model.trainContextSize);
    const context = await model.createContext({
      sequences: spec.slots,
      contextSize: contextTokens + (path === 'public' ? RESERVED_TOKENS : 0),
      batchSize: BATCH_TOKENS,
      threads: spec.threads,
      batching: inSlotOrder,
      ignoreMemorySafetyChecks: true,
      failedCreationRemedy: false,
    });
    opened.push(context);
    lap('context');

    const vocabulary = vocabularyOf(model);
    const executor = createExecutor({ llama, model, context, vocabulary, path });
    await executor.step([{ slot: 0, position: 0, tokens: [firstToken(model)] }]);
    await executor.truncate(0, 0);
    lap('warmUp');

    return {
      loaded: {
        contextTokens,
        slots: spec.slots,
        facts: factsOf(llama, model, fileBytes, vocabulary),
        loadMs,
      },
      executor,
      vocabulary,
      template: templateOf(model, vocabulary),
      tokenize: (text) => model.tokenize(text, true),
      gpuBytes: model.memoryUsage.vram + context.memoryUsage.vram,
      bos: model.tokens.shouldPrependBosToken ? (model.tokens.bos ?? undefined) : undefined,
      close,
    };
  } catch (error) {
    await close();
    throw toLoadError(error, spec.path, log);
  }
}

/** Beyond what it was trained on a model writes nonsense, and memory is paid for it. */
function atMostTrained({ contextTokens }: LoadSpec, trainedTokens: number | undefined): number {
  return Math.min(contextTokens, trainedTokens ?? Number.POSITIVE_INFINITY);
}

/** Returns its size. */
async function assertModelFile(path: string): Promise<number> {
  const file = await stat(path);
  if (!file.isFile() || file.size === 0) throw new Error('not a file with content');
  await assertGgufHeader(path, file.size);
  return file.size;
}

function libraryOptions(
  { gpu, threads }: LoadSpec,
  logger: (level: LlamaLogLevel, message: string) => void,
): LlamaOptions {
  return {
    gpu: gpu === 'off' ? false : gpu,
    // The library would compile llama.cpp for minutes when a binary does not fit.
    build: 'never',
    // Its default starts at least four spinning threads, whatever the machine has.
    maxThreads: threads,
    logLevel: LlamaLogLevel.info,
    logger,
    progressLogs: false,
  };
}

function createExecutor(parts: {
  llama: Llama;
  model: LlamaModel;
  context: LlamaContext;
  vocabulary: Vocabulary;
  path: LlamaPath;
}): Executor {
  const { llama, model, context, vocabulary, path } = parts;
  const mismatch = addonMismatch(llama, model, context);
  if (path === 'internal' && mismatch !== undefined) throw new Error(mismatch);
  return path === 'public' || mismatch !== undefined
    ? new PublicExecutor({ llama, model, context, vocabulary })
    : new AddonExecutor({ llama, model, context, vocabulary });
}

function vocabularyOf(model: LlamaModel): Vocabulary {
  const { ggml } = model.fileInfo.metadata.tokenizer;
  return new Vocabulary({
    kind: ggml.model,
    tokens: ggml.tokens,
    types: ggml.token_type ?? [],
    isEndOfGeneration: (id) => model.isEogToken(id as never),
    detokenize: (id) => model.detokenize([id as never]),
  });
}

function templateOf(model: LlamaModel, vocabulary: Vocabulary): ChatTemplate {
  const { control, marks } = vocabulary.specials;
  return new ChatTemplate({
    template: model.fileInfo.metadata.tokenizer.chat_template,
    bosText: model.tokens.bosString ?? '',
    eosText: model.tokens.eosString ?? '',
    control,
    marks,
  });
}

function factsOf(
  llama: Llama,
  model: LlamaModel,
  fileBytes: number,
  vocabulary: Vocabulary,
): Loaded['facts'] {
  const parameters = (model as unknown as { _model?: { getTotalParameters?(): number } })._model;
  return {
    architecture: String(model.fileInfo.metadata.general.architecture),
    parameters: parameters?.getTotalParameters?.() ?? 0,
    fileBytes,
    trainedContextTokens: model.trainContextSize,
    vocabularySize: vocabulary.size,
    chat: model.fileInfo.metadata.tokenizer.chat_template !== undefined,
    device: llama.gpu === false ? 'cpu' : llama.gpu,
  };
}

function firstToken(model: LlamaModel): number {
  return model.tokens.bos ?? model.tokens.eos ?? 0;
}

/** The last line of the native log that says something failed is more use than "Failed to load". */
function toLoadError(error: unknown, path: string, log: string): LoadError {
  const message = error instanceof Error ? error.message : String(error);
  const native = log
    .split('\n')
    .findLast((line) => /error|fail|invalid|unknown|missing|corrupt/i.test(line));
  const reason = native === undefined ? message : `${message} (${native.trim().slice(0, 300)})`;
  return new LoadError(`could not load ${path}: ${reason}`, { log, cause: error });
}
