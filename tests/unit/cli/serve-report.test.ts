import { describe, expect, test } from 'vitest';

import { ServeReport } from '../../../src/cli/serve-report.ts';
import type { ModelInfo } from '../../../src/core/engine.ts';

const model: ModelInfo = {
  name: 'small',
  backend: 'llama-cpp',
  state: 'starting',
  createdS: 1,
  slots: 4,
  contextTokens: 512,
  defaults: {},
};
const facts = {
  architecture: 'llama',
  parameters: 134_515_008,
  fileBytes: 1,
  trainedContextTokens: 8192,
  vocabularySize: 49_152,
  chat: true,
  device: 'cpu',
};

function setUp(isJson: boolean) {
  const lines: string[] = [];
  let nowMs = 0;
  const report = new ServeReport({
    isJson,
    version: '1.2.3',
    clock: { nowMs: () => nowMs },
    print: (line) => lines.push(line),
  });
  const show = (info: Partial<ModelInfo>, atMs: number) => {
    nowMs = atMs;
    report.model({ ...model, ...info });
  };
  return { lines, report, show };
}

const at = { hosts: ['127.0.0.1', '::1'], port: 1, adminPort: 2 };

describe('ServeReport', () => {
  test('prints for people where, which, and a line to try', () => {
    const { lines, report, show } = setUp(false);
    report.listening(at, [model]);
    show({}, 100);
    show({ state: 'loading' }, 200);
    show({ state: 'ready', facts }, 650);
    show({ state: 'ready', facts }, 700);
    expect(lines).toEqual([
      'Hearth 1.2.3 listens on http://127.0.0.1:1 and http://[::1]:1, admin port 2',
      'Model: small',
      `Try:  curl http://127.0.0.1:1/v1/chat/completions -H 'content-type: application/json' -d '{"model":"small","messages":[{"role":"user","content":"Who are you?"}]}'`,
      'Stop with Ctrl-C.',
      'small is ready after 0.6 s: llama, 135 M parameters, 4 slots of 512 tokens, on cpu',
    ]);
  });

  test('prints one JSON line for each event, with --json', () => {
    const { lines, report, show } = setUp(true);
    report.listening(at, [model, { ...model, name: 'two' }]);
    show({}, 0);
    show({ state: 'ready' }, 30);
    show({ state: 'failed', reason: 'died' }, 40);
    show({ state: 'starting' }, 50);
    show({ state: 'ready' }, 75);
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        event: 'listening',
        url: 'http://127.0.0.1:1/v1',
        hosts: ['127.0.0.1', '::1'],
        port: 1,
        admin_port: 2,
        pid: process.pid,
        models: ['small', 'two'],
      },
      { event: 'ready', model: 'small', load_ms: 30 },
      { event: 'failed', model: 'small', reason: 'died' },
      { event: 'ready', model: 'small', load_ms: 25 },
    ]);
  });
});
