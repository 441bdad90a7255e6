import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { arenaFolders } from '../../../src/cli/arena-folders.ts';

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'hearth-arena-folders-'));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

test('one state folder has one name, by whatever path, and no other has it', () => {
  const state = mkdtempSync(join(parent, 'state-'));
  const link = join(parent, 'link');
  symlinkSync(state, link);
  const folders = arenaFolders(state, {});
  expect(arenaFolders(link, {})).toEqual(folders);
  expect(arenaFolders(parent, {})).not.toEqual(folders);
});

test('where temporary files go is what the environment says', () => {
  const parents = arenaFolders(parent, { TMPDIR: '/some/where' }).map((folder) => dirname(folder));
  expect(parents.toSorted()).toEqual(['/dev/shm', '/some/where']);
});
