import { describe, expect, test } from 'vitest';

import { createLogTo } from '../../../src/cli/log.ts';
import { readableLine } from '../../../src/cli/readable-log.ts';
import type { Log, LogLevel } from '../../../src/core/log.ts';

function collect(level: LogLevel) {
  const lines: string[] = [];
  const filter = { level };
  const log = createLogTo({ write: (line: string) => void lines.push(line) }, filter);
  return { log, filter, lines, records: () => lines.map((line) => JSON.parse(line)) };
}

function writeAll(log: Log): void {
  log.debug({ n: 1 }, 'd');
  log.info({ n: 2 }, 'i');
  log.warn({ n: 3 }, 'w');
  log.error({ n: 4 }, 'e');
}

describe('createLogTo', () => {
  test.each([
    ['debug', ['debug', 'info', 'warning', 'error']],
    ['info', ['info', 'warning', 'error']],
    ['warning', ['warning', 'error']],
    ['error', ['error']],
    ['none', []],
  ] as const)('level %s writes %j', (level, written) => {
    const { log, records } = collect(level);
    writeAll(log);
    expect(records().map((record) => record.level)).toEqual(written);
  });

  test('another level holds at once, also for children that were made before', () => {
    const { log, filter, records } = collect('info');
    const child = log.child({ model: 'm' });
    const grandchild = child.child({ worker: 'w' });
    filter.level = 'debug';
    for (const one of [log, child, grandchild]) one.debug({}, 'd');
    filter.level = 'none';
    for (const one of [log, child, grandchild]) one.error({}, 'e');
    expect(records().map(({ msg, model, worker }) => [msg, model, worker])).toEqual([
      ['d', undefined, undefined],
      ['d', 'm', undefined],
      ['d', 'm', 'w'],
    ]);
  });

  // SP-003
  test('redacts fields, also those of a child', () => {
    const { log, records } = collect('info');
    log.child({ requestId: 'r1', prompt: 'secret' }).info({ stop: ['secret'] }, 'done');
    expect(records()).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        requestId: 'r1',
        prompt: '[redacted, 6 characters]',
        stop: '[redacted, 1 items]',
        msg: 'done',
      },
    ]);
  });

  test('escapes control characters: one record is one line', () => {
    const { log, lines } = collect('info');
    log.info({ line: 'a\nb\u001b[2J\r' }, 'x\ny');
    expect(lines).toHaveLength(1);
    expect(lines[0]?.trimEnd()).not.toMatch(/\p{Cc}/u);
  });
});

describe('readableLine', () => {
  test('shows time, level, message and facts', () => {
    const line =
      '{"level":"info","time":"2026-01-02T03:04:05.678Z","model":"m","ms":3,"msg":"ready"}\n';
    expect(readableLine(line)).toBe('03:04:05 info    ready model=m ms=3\n');
  });

  test('control characters of a field cannot move the cursor', () => {
    const line = JSON.stringify({
      level: 'info',
      time: '',
      msg: 'm',
      line: 'a\u001b[2Jb\u009bc\n',
    });
    expect(readableLine(line).trimEnd()).not.toMatch(/\p{Cc}/u);
  });

  test('what is no record is shown as it came', () => {
    expect(readableLine('oops\n')).toBe('oops\n');
    expect(readableLine('3\n')).toBe('3\n');
  });
});
