import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Arena, ArenaView, type Block } from '../../../src/ipc/arena.ts';
import { sweepArenaFolder } from '../../../src/ipc/arena-folder.ts';
import { ARENA_BYTES } from '../../../src/ipc/protocol.ts';

const MIB = 1024 * 1024;

let parent: string;
let folder: string;
let arena: Arena;
let view: ArenaView;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'hearth-arena-'));
  folder = join(parent, 'arena');
  arena = new Arena(folder);
  view = new ArenaView(arena.path);
});
afterEach(() => {
  arena.close();
  view.close();
  rmSync(parent, { recursive: true, force: true });
});

function put(bytes: Uint8Array): { block: Block; place: ReturnType<Arena['seal']> } {
  const block = arena.allocate(bytes.byteLength)!;
  arena.write(block, bytes.subarray(0, bytes.byteLength / 2));
  arena.write(block, bytes.subarray(bytes.byteLength / 2));
  return { block, place: arena.seal(block) };
}

const read = ({ place }: ReturnType<typeof put>, bytes: number) =>
  view.read({ type: 'block', ...place }, bytes);

const damaged = expect.objectContaining({ name: 'WorkerError', code: 'payload_damaged' });

function flip(at: number, bit: number): void {
  const fd = openSync(arena.path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, at);
  byte[0] = byte[0]! ^ (1 << bit);
  writeSync(fd, byte, 0, 1, at);
  closeSync(fd);
}

describe('a block', () => {
  it('is read as it was written, several side by side', () => {
    const all = [1, 2, 3].map((one) => put(Buffer.alloc(one * MIB, one)));
    for (const [index, one] of all.entries()) {
      const bytes = (index + 1) * MIB;
      expect(read(one, bytes).equals(Buffer.alloc(bytes, index + 1))).toBe(true);
    }
  });

  it('with any bit flipped is damaged, and its neighbour is not', () => {
    const bytes = 5_000;
    const [first, second] = [put(Buffer.alloc(bytes, 1)), put(Buffer.alloc(bytes, 2))];
    fc.assert(
      fc.property(fc.nat({ max: bytes + 15 }), fc.nat({ max: 7 }), (at, bit) => {
        flip(first.place.offset + at, bit);
        expect(() => read(first, bytes)).toThrow(damaged);
        expect(read(second, bytes)).toHaveLength(bytes);
        flip(first.place.offset + at, bit);
        expect(read(first, bytes)).toHaveLength(bytes);
      }),
      { numRuns: 200 },
    );
  });

  it('that is stale is damaged, also where the bytes are the same', () => {
    const bytes = Buffer.alloc(MIB, 7);
    const old = put(bytes);
    arena.release(old.block);
    const next = put(bytes);
    expect(next.place.offset).toBe(old.place.offset);
    expect(() => read(old, MIB)).toThrow(damaged);
    expect(read(next, MIB).equals(bytes)).toBe(true);
  });

  it('that was never written, or is not there any more, is damaged', () => {
    const place = { offset: 0, generation: 1, crc: 0 };
    expect(() => view.read({ type: 'block', ...place }, 100)).toThrow(damaged);
    const end = { ...place, offset: ARENA_BYTES - 100 };
    expect(() => view.read({ type: 'block', ...end }, 100)).toThrow(damaged);
  });
});

describe('an arena', () => {
  it('takes no memory until it is used, and gives it back when nobody uses it', () => {
    const blocks = () => statSync(arena.path).blocks;
    expect(blocks()).toBe(0);
    const [first, second] = [put(Buffer.alloc(6 * MIB)), put(Buffer.alloc(6 * MIB))];
    const used = blocks();
    expect(used).toBeGreaterThan(0);
    arena.release(first.block);
    expect(blocks()).toBe(used);
    expect(read(second, 6 * MIB)).toHaveLength(6 * MIB);
    arena.release(second.block);
    expect(blocks()).toBe(0);
    const third = put(Buffer.alloc(MIB, 3));
    expect(read(third, MIB).equals(Buffer.alloc(MIB, 3))).toBe(true);
  });

  it('is read by its name no more once that is gone, and by whoever has it open', () => {
    arena.unlink();
    expect(readdirSync(folder)).toEqual([]);
    expect(read(put(Buffer.alloc(10, 4)), 10).equals(Buffer.alloc(10, 4))).toBe(true);
    expect(() => new ArenaView(arena.path)).toThrow('ENOENT');
  });

  it('is for its owner alone', () => {
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(arena.path).mode & 0o777).toBe(0o600);
  });

  it('is not opened through a link, and not taken for one where it is another file', () => {
    const link = join(parent, 'link');
    symlinkSync(arena.path, link);
    expect(() => new ArenaView(link)).toThrow();
    writeFileSync(join(parent, 'other'), 'x');
    expect(() => new ArenaView(join(parent, 'other'))).toThrow('not the file of an arena');
  });

  it('is not made where somebody else may look', () => {
    const open = join(parent, 'open');
    mkdirSync(open);
    expect(() => new Arena(open)).toThrow('not ours alone');
  });
});

describe('the sweep', () => {
  it('removes what a crash has left, and the folder', () => {
    sweepArenaFolder(folder);
    expect(readdirSync(parent)).toEqual([]);
  });

  it('leaves alone what is no folder of ours', () => {
    const target = join(parent, 'target');
    mkdirSync(target);
    writeFileSync(join(target, 'precious'), '');
    symlinkSync(target, join(parent, 'link'));
    sweepArenaFolder(join(parent, 'link'));
    sweepArenaFolder(join(parent, 'absent'));
    expect(readdirSync(target)).toEqual(['precious']);
  });
});
