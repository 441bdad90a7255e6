/**
 * The Python twin of the protocol takes what `src/ipc/protocol.ts` takes, and refuses what it refuses: both are
 * shown every message in which one value was changed, taken away or added.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

import {
  Announcement,
  ARENA_BYTES,
  MAX_PART_BYTES,
  MAX_PAYLOAD_BYTES,
  TO_WORKER_CARRIERS,
  ToWorker,
  Transfer,
} from '../../../src/ipc/protocol.ts';
import { VERSION } from '../../../src/ipc/version.ts';
import { GATHER_MS } from '../../../src/worker/output.ts';
import { HEARTBEAT } from '../../support/heartbeat.ts';
import { plainPython } from '../../support/plain-python.ts';
import { generateMessage } from '../../unit/worker/generate-message.ts';

const folder = fileURLToPath(new URL('../../../src/worker/mlx', import.meta.url));
const python = plainPython('mlx/protocol.test.ts');

const program = `
import json, sys
sys.path.insert(0, sys.argv[1])
from hearth_mlx.frames import ProtocolError, read_json
from hearth_mlx.output import GATHER_MS
from hearth_mlx.protocol import parse_to_worker
from hearth_mlx.transfers import (ARENA_BYTES, CARRIERS, MAX_PART_BYTES, MAX_PAYLOAD_BYTES, TRANSFER_TYPES,
    parse_announcement, parse_transfer)

def takes(parse, text):
    try:
        parse(read_json(text.encode()))
    except ProtocolError:
        return False
    return True

texts = json.load(sys.stdin)
json.dump({
    "constants": [ARENA_BYTES, MAX_PART_BYTES, MAX_PAYLOAD_BYTES, GATHER_MS, CARRIERS],
    "transferTypes": sorted(TRANSFER_TYPES),
    "toWorker": [takes(parse_to_worker, text) for text in texts["toWorker"]],
    "transfers": [takes(parse_transfer, text) for text in texts["transfers"]],
    "announcements": [takes(parse_announcement, text) for text in texts["announcements"]],
}, sys.stdout)
`;

async function ask(texts: object) {
  const child = spawn(python!, ['-c', program, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stdin.end(JSON.stringify(texts));
  const [code] = await once(child, 'close');
  expect(code).toBe(0);
  return JSON.parse(output);
}

const spec = {
  path: '/m',
  contextTokens: 1,
  slots: 1,
  threads: 1,
  gpu: 'off',
  options: { a: 'b' },
};
const job = {
  ...generateMessage(1, 'x'),
  maxTokens: 5,
  stops: ['a'],
  grammar: { hash: 'a'.repeat(64), text: 'root ::= "x"', after: 'b' },
};
const call = { id: 'i', name: 'n', arguments: '{}' };
const said = { role: 'assistant', parts: [], name: 'n', toolCalls: [call], toolCallId: 'i' };
const MESSAGES = [
  { type: 'welcome', version: VERSION, heartbeat: HEARTBEAT },
  { type: 'tick' },
  { type: 'estimate', ...spec },
  { type: 'load', ...spec },
  job,
  { ...job, prompt: { messages: [said] } },
  { ...job, prompt: { text: 'x' } },
  { ...job, prompt: { tokens: [1, 2] } },
  // Two kinds of prompt: the first that is one counts.
  { ...job, prompt: { messages: [said], text: 'x', tokens: [1] } },
  { ...job, sampling: { ...job.sampling, logitBias: [[5, -100]] } },
  { type: 'credit', call: 1, tokens: 1 },
  { type: 'cancel', call: 1 },
  { type: 'threads', threads: 1 },
  { type: 'drain' },
  { type: 'shutdown' },
];
/** Those that a worker is sent. */
const TRANSFERS = [
  { type: 'payload', payload: 1, offset: 0 },
  { type: 'arena', path: '/a', bytes: ARENA_BYTES },
  { type: 'block', payload: 1, offset: 0, generation: 1, crc: 0 },
];
const { prompt: _, ...bare } = job;
const ANNOUNCEMENTS = [{ ...bare, payload: { id: 1, bytes: 1 } }];

/** As JSON, because some of them no value of JavaScript is written as. */
const VALUES = [
  ...['null', 'true', '[]', '{}', '[[]]', '""', '"x"', '"auto"', '"user"', '"\\ud800"'],
  ...['-1', '-0', '0', '1', '1.0', '1e0', '0.5', '-0.5', '1.5', '3', '3.0', '1e999', '-1e999'],
  ...['4294967295', '4294967296', '67108864', '67108865', '9007199254740991', '9007199254740992'],
  ...['1e300', `1${'0'.repeat(400)}`, `"${'x'.repeat(64)}"`, `"${'x'.repeat(65)}"`],
  ...[
    `"${'😀'.repeat(32)}"`,
    `"${'😀'.repeat(64)}"`,
    `"${'😀'.repeat(65)}"`,
    `"${'a'.repeat(64)}\\n"`,
  ],
  ...['[1, 2]', '[1, 1.5]', '[1.0]', '[true]', '[[1, 2]]', '[[1, 2, 3]]', '[[1]]', '{"a": 1}'],
];

/** Of everything in it: changed to each of VALUES, taken away, and with one more key. */
function variantsOf(message: object): readonly string[] {
  const whole = JSON.stringify(message);
  const places: readonly (readonly (string | number)[])[] = [[], ...placesIn(message)];
  return [
    whole,
    ...places.flatMap((place) => [
      ...VALUES.map((value) => written(message, place, value)),
      ...(place.length === 0 ? [] : [written(message, place, undefined)]),
      written(message, [...place, 'more'], '1'),
    ]),
  ];
}

function placesIn(value: unknown): readonly (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const step = Array.isArray(value) ? Number(key) : key;
    return [[step], ...placesIn(inner).map((place) => [step, ...place])];
  });
}

const HERE = '@@HERE@@';

function written(
  message: object,
  place: readonly (string | number)[],
  value: string | undefined,
): string {
  const [last] = place.slice(-1);
  if (last === undefined) return value!;
  const copy = structuredClone(message);
  // biome-ignore lint/suspicious/noExplicitAny: any place in any message
  const owner = place.slice(0, -1).reduce((inner: any, step) => inner[step], copy);
  if (typeof owner !== 'object') return JSON.stringify(message);
  if (value === undefined) delete owner[last];
  else owner[last] = HERE;
  // A place in an array that was taken away is null then, which is another case to compare.
  return JSON.stringify(copy).replace(`"${HERE}"`, () => value ?? '');
}

describe('the version', () => {
  it('of the protocol is the same in Python', () => {
    const text = readFileSync(`${folder}/hearth_mlx/version.py`, 'utf8');
    expect(/^VERSION: Final = (\d+)$/m.exec(text)?.[1]).toBe(String(VERSION));
  });
});

describe.skipIf(!python)('protocol.py and transfers.py', () => {
  it('take what protocol.ts takes, and nothing else', async () => {
    const texts = {
      toWorker: MESSAGES.flatMap(variantsOf),
      // The type says which parser it is for.
      transfers: TRANSFERS.flatMap(variantsOf).filter((text) =>
        /^\{"type":"(p|a|b)\w+"/.test(text),
      ),
      announcements: ANNOUNCEMENTS.flatMap(variantsOf).filter((text) => /"payload":/.test(text)),
    };
    const answers = await ask(texts);
    expect(answers.constants).toEqual([
      ARENA_BYTES,
      MAX_PART_BYTES,
      MAX_PAYLOAD_BYTES,
      GATHER_MS,
      TO_WORKER_CARRIERS,
    ]);
    expect(answers.transferTypes).toEqual(
      Transfer.options.map(({ shape }) => shape.type.value).sort(),
    );
    for (const [name, schema] of [
      ['toWorker', ToWorker],
      ['transfers', Transfer],
      ['announcements', Announcement],
    ] as const) {
      const verdicts = texts[name].map((text) => schema.safeParse(JSON.parse(text)).success);
      const differ = texts[name].filter((_, index) => verdicts[index] !== answers[name][index]);
      expect(differ).toEqual([]);
      // Both kinds are there, or it would prove nothing.
      expect(verdicts).toContain(true);
      expect(verdicts).toContain(false);
    }
  });
});
