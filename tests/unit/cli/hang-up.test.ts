import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';

import { watchHangUps } from '../../../src/cli/hang-up.ts';

function setUp() {
  const source = new EventEmitter();
  const told: string[] = [];
  const terminal = { isLost: false };
  const hangUps = watchHangUps(source, {
    hasLostTerminal: () => terminal.isLost,
    end: () => told.push('end'),
  });
  const ask = () => hangUps.whenAsked(() => told.push('reload'));
  return { source, told, terminal, hangUps, ask };
}

describe('SIGHUP', () => {
  test('reloads, each time', () => {
    const { source, told, ask } = setUp();
    ask();
    source.emit('SIGHUP');
    source.emit('SIGHUP');
    expect(told).toEqual(['reload', 'reload']);
  });

  test('while the server starts is remembered, once', () => {
    const { source, told, ask } = setUp();
    source.emit('SIGHUP');
    source.emit('SIGHUP');
    expect(told).toEqual([]);
    ask();
    expect(told).toEqual(['reload']);
  });

  test('ends the server when its terminal is gone', () => {
    const { source, told, terminal, ask } = setUp();
    ask();
    terminal.isLost = true;
    source.emit('SIGHUP');
    expect(told).toEqual(['end']);
  });

  test('is let go of', () => {
    const { source, hangUps } = setUp();
    hangUps[Symbol.dispose]();
    expect(source.eventNames()).toEqual([]);
  });
});
