import { describe, expect, test } from 'vitest';

import { LogStream } from '../../../src/cli/log-stream.ts';

/** An output whose reader takes what came only when told to. */
class SlowOutput {
  readonly writes: string[] = [];
  writableLength = 0;
  readonly #done: (() => void)[] = [];

  write(text: string, done?: () => void): boolean {
    this.writes.push(text);
    this.writableLength += text.length;
    if (done) this.#done.push(done);
    return false;
  }

  takeAll(): void {
    this.writableLength = 0;
    for (const done of this.#done.splice(0)) done();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('LogStream', () => {
  test('writes the lines of a turn at once, formatted', async () => {
    const output = new SlowOutput();
    const stream = new LogStream(output, (line) => line.toUpperCase());
    stream.write('a\n');
    stream.write('b\n');
    expect(output.writes).toEqual([]);
    await turn();
    stream.write('c\n');
    await turn();
    expect(output.writes).toEqual(['A\nB\n', 'C\n']);
  });

  test('drops lines when too many wait for the reader, and says how many', async () => {
    const output = new SlowOutput();
    const stream = new LogStream(output);
    stream.write('x'.repeat(5 * 1024 * 1024));
    await turn();
    for (let line = 0; line < 3; line++) stream.write('lost\n');
    await turn();
    expect(output.writes).toHaveLength(1);
    output.takeAll();
    stream.write('after\n');
    await turn();
    expect(output.writes[1]).toMatch(/"lines":3,"msg":"log lines were dropped[^\n]*\nafter\n$/);
    expect(output.writes.join('')).not.toContain('lost');
  });

  test('close waits until all is taken', async () => {
    const output = new SlowOutput();
    const stream = new LogStream(output);
    stream.write('last\n');
    let isClosed = false;
    const closing = stream.close(60_000).then(() => {
      isClosed = true;
    });
    await turn();
    expect(output.writes).toEqual(['last\n', '']);
    expect(isClosed).toBe(false);
    output.takeAll();
    await closing;
  });

  test('close does not wait for ever', async () => {
    const stream = new LogStream(new SlowOutput());
    stream.write('last\n');
    await stream.close(1);
  });
});
