/** What `ps` of macOS writes, as it was recorded, and what the system says of this very process. */
import { describe, expect, test } from 'vitest';

import {
  listProcesses,
  parsePs,
  processFacts,
} from '../../../../src/orchestrator/registry/processes.ts';

const RECORDED = `    1 Ss   14256 Mon Nov  3 09:12:44 2025     /sbin/launchd
  612 S    98304 Fri Nov 21 18:02:07 2025     hearth-worker-a/b c-1 /opt/hearth/dist/worker/main.js worker --run-id=4f0c
  613 Z        0 Fri Nov 21 18:02:09 2025     <defunct>
 9001 R+    2048 Fri Nov 21 18:03:00 2025     ps -A -ww -o pid=,stat=,rss=,lstart=,command=
what nobody expected
`;

describe('ps', () => {
  test('gives start time, memory and the whole command line; zombies are gone', () => {
    const found = parsePs(RECORDED);
    expect([...found.keys()]).toEqual([1, 612, 9001]);
    expect(found.get(612)).toEqual({
      pid: 612,
      startTime: 'Fri Nov 21 18:02:07 2025',
      command: 'hearth-worker-a/b c-1 /opt/hearth/dist/worker/main.js worker --run-id=4f0c',
      rssBytes: 98_304 * 1024,
    });
    expect(found.get(1)?.startTime).toBe('Mon Nov 3 09:12:44 2025');
  });
});

describe('this process', () => {
  test('is found with a start time that stays', () => {
    const first = processFacts(process.pid)!;
    expect(first.rssBytes).toBeGreaterThan(10e6);
    expect(first.command).not.toBe('');
    expect(processFacts(process.pid)?.startTime).toBe(first.startTime);
    expect(listProcesses().get(process.pid)?.startTime).toBe(first.startTime);
  });

  test('one that is not there is absent', () => {
    expect(processFacts(2 ** 30)).toBeUndefined();
  });
});
