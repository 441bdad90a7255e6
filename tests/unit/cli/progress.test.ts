import { describe, expect, test } from 'vitest';

import { Progress } from '../../../src/cli/progress.ts';

function collect(isTTY: boolean) {
  const written: string[] = [];
  return { written, progress: new Progress({ isTTY, write: (text) => written.push(text) }) };
}

describe('Progress', () => {
  test('on a terminal draws over itself, and not when nothing has changed', () => {
    const { written, progress } = collect(true);
    progress.show('loading m', 0);
    progress.show('loading m', 0.001);
    progress.show('loading m', 0.5);
    progress.clear();
    progress.clear();
    expect(written).toEqual([
      '\r\u001b[Kloading m [························]  0 %',
      '\r\u001b[Kloading m [████████████············] 50 %',
      '\r\u001b[K',
    ]);
  });

  test('a fraction out of range is drawn as its end', () => {
    const { written, progress } = collect(true);
    progress.show('x', 7);
    progress.show('x', -1);
    expect(written[0]).toContain('100 %');
    expect(written[1]).toContain(' 0 %');
  });

  test('what is told of a bar stands behind it', () => {
    const { written, progress } = collect(true);
    progress.show('fetching', 0.5, '1 of 2 GB');
    expect(written).toEqual(['\r\u001b[Kfetching [████████████············] 50 % 1 of 2 GB']);
  });

  test('elsewhere it is a line every five seconds at most', () => {
    const written: string[] = [];
    let nowMs = 0;
    const progress = new Progress({ write: (text) => written.push(text) }, { nowMs: () => nowMs });
    for (nowMs = 0; nowMs <= 11_000; nowMs += 250)
      progress.show('fetching', nowMs / 20_000, 'fast');
    expect(written).toEqual([
      'hearth: fetching 0 %, fast\n',
      'hearth: fetching 25 %, fast\n',
      'hearth: fetching 50 %, fast\n',
    ]);
  });

  test('elsewhere says once what begins', () => {
    const { written, progress } = collect(false);
    progress.show('fetching', 0.1);
    progress.show('fetching', 0.2);
    progress.show('checking', 0.1);
    progress.clear();
    expect(written).toEqual(['hearth: fetching…\n', 'hearth: checking…\n']);
  });
});
