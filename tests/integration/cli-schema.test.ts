/** `hearth schema` as it is run: real children, one of them slow, another out of memory, a reader that leaves. */
import { readdirSync, readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { CliHome } from '../support/cli.ts';

type Answer = Readonly<Record<string, unknown>>;

const line = (id: unknown, schema: unknown, ...tests: readonly (readonly [boolean, unknown])[]) =>
  JSON.stringify({ id, schema, tests: tests.map(([valid, data]) => ({ valid, data })) });

/** Takes many seconds and gigabytes: thousands of states for each of hundreds of patterns. */
function slow(patterns: number) {
  const names = Array.from({ length: patterns }, (_, i) => `p${i}`);
  const properties = Object.fromEntries(
    names.map((name) => [name, { type: 'string', pattern: `^(a|b)*a(a|b){11}${name}$` }]),
  );
  return { type: 'object', properties, required: names };
}
const SLOW = slow(300);

async function check(input: string, ...flags: readonly string[]) {
  using home = new CliHome();
  const { code, stdout, stderr } = await home.run(['schema', 'check', ...flags], { input });
  const answers = stdout
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as Answer);
  return { code, stderr, answers };
}

describe('hearth schema check', () => {
  test('answers each line in its order, whatever it is', async () => {
    const lines = [
      line('slow', SLOW),
      line('right', { type: 'integer' }, [true, 1], [false, 'a']),
      '{nonsense',
      line(7, { type: 'string', pattern: '(?=a)b' }),
      '',
      line('over', { type: 'integer' }, [true, 'a']),
      line('under', { type: 'integer' }, [false, 1]),
      line('large', { title: 'x'.repeat(2 * 1024 * 1024) }),
      line('order', { properties: { a: true, b: true } }, [true, { b: 1, a: 2 }]),
    ];
    const { code, answers } = await check(lines.join('\n'), '--timeout-ms', '1500');
    expect(code).toBe(0);
    expect(answers).toMatchObject([
      { id: 'slow', result: 'timeout', ms: 1500 },
      { id: 'right', result: 'pass' },
      { id: null, result: 'refused', why: expect.stringMatching(/^line 3: it is not JSON/) },
      { id: 7, result: 'refused', keyword: 'pattern', pointer: '' },
      { id: 'over', result: 'over' },
      { id: 'under', result: 'under' },
      {
        id: 'large',
        result: 'refused',
        keyword: 'schema',
        why: expect.stringContaining('1048576'),
      },
      { id: 'order', result: 'pass', reordered: true },
    ]);
  });

  test('a schema that eats the memory of its child is a crash, and the next is answered', async () => {
    const lines = [line('eats', SLOW), line('right', true, [true, [1]])];
    const limits = ['--memory-mb', '32', '--timeout-ms', '60000'];
    const { code, answers } = await check(lines.join('\n'), ...limits);
    expect(code).toBe(0);
    expect(answers).toMatchObject([
      { id: 'eats', result: 'crash', why: expect.stringContaining('memory') },
      { id: 'right', result: 'pass' },
    ]);
  });

  test('a line that nobody would read is passed over', async () => {
    const lines = ['x'.repeat(13 * 1024 * 1024), line('right', true)];
    const { answers } = await check(lines.join('\n'));
    expect(answers).toMatchObject([
      { id: null, result: 'refused', why: expect.stringContaining('13631488') },
      { id: 'right', result: 'pass' },
    ]);
  });

  test('limits are those of the flags', async () => {
    const deep = { items: { items: { items: {} } } };
    const lines = [line('deep', deep), line('wide', { title: 'x'.repeat(200) })].join('\n');
    const limits = ['--max-depth', '2', '--max-bytes', '100'];
    const refused = { result: 'refused' };
    expect((await check(lines, ...limits)).answers).toMatchObject([
      { ...refused, why: expect.stringContaining('more than 2 schemas') },
      { ...refused, why: expect.stringContaining('of at most 100') },
    ]);
  });

  test('nothing in, nothing out', async () => {
    expect(await check('')).toEqual({ code: 0, stderr: '', answers: [] });
  });

  test('a file that is not there, and a flag that is wrong: one reason, and no child', async () => {
    using home = new CliHome();
    const missing = await home.run(['schema', 'check', home.path('gone.jsonl')]);
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toMatch(/^hearth: cannot read .*gone\.jsonl: there is no such file\n$/);
    const wrong = await home.run(['schema', 'check', '--timeout-ms', '0']);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('from 1 to 600000');
  });

  test('a reader that has seen enough is no failure', async () => {
    using home = new CliHome();
    const file = home.write('many.jsonl', `${line('one', true, [true, 1])}\n`.repeat(5_000));
    await using cli = home.start(['schema', 'check', file]);
    await cli.untilLine(/"pass"/);
    cli.closeOutput();
    expect(await cli.exited).toBe(0);
    expect(cli.stderr).toBe('');
  });

  test('it answers while more may come', async () => {
    using home = new CliHome();
    await using cli = home.start(['schema', 'check']);
    cli.type(`${line('first', true)}\n`);
    await cli.untilLine(/"first"/);
    cli.type(`${line('second', true)}\n`);
    await cli.untilLine(/"second"/);
    cli.endInput('');
    expect(await cli.exited).toBe(0);
  });

  // The limit is what tells: it would be busy for minutes.
  test('killed, it leaves no child behind, not even one that is busy', {
    timeout: 15_000,
  }, async () => {
    using home = new CliHome();
    const file = home.write('slow.jsonl', `${line('quick', true)}\n${line('slow', slow(5_000))}\n`);
    await using cli = home.start([
      'schema',
      'check',
      '--timeout-ms',
      '600000',
      '--memory-mb',
      '8192',
      file,
    ]);
    await cli.untilLine(/"quick"/);
    const children = childrenOf(cli.pid);
    expect(children.length).toBeGreaterThan(0);
    cli.kill('SIGKILL');
    await cli.exited;
    while (children.some(isRunning)) await new Promise((resolve) => setImmediate(resolve));
  });
});

describe('hearth schema explain', () => {
  const schema = {
    type: 'object',
    properties: { name: { type: 'string', format: 'slug' }, age: { type: 'integer', minimum: 0 } },
    required: ['name', 'age'],
    additionalProperties: false,
  };

  test('says that it is enforced, how large it becomes, what is not enforced, and gives values', async () => {
    using home = new CliHome();
    const file = home.write('person.json', JSON.stringify(schema, null, 2));
    const { code, stdout } = await home.run(['schema', 'explain', file]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^enforced {2,}compiled in \d+ ms\n/);
    expect(stdout).toMatch(/^grammar {2,}\d+ bytes, \d+ rules$/m);
    expect(stdout).toMatch(/^such as {2,}\{"name":".*","age":\d+\}$/m);
    expect(stdout).toMatch(/^ {2}format {2}\/properties\/name {2}"slug" is none of the 10/m);
    expect(stdout).not.toContain('::=');
    expect((await home.run(['schema', 'explain', '--grammar', file])).stdout).toContain(
      '\nroot ::= ',
    );
  });

  test('a refusal has keyword, place and reason, and fails', async () => {
    using home = new CliHome();
    const input = '{"properties":{"a":{"pattern":"(a)\\\\1"}}}';
    const shown = await home.run(['schema', 'explain', '-'], { input });
    expect(shown.code).toBe(1);
    expect(shown.stdout).toMatch(
      /^refused .*back-reference.*\nkeyword {2,}pattern\nwhere {2,}\/properties\/a\n/,
    );
    const { code, stdout } = await home.run(['schema', 'explain', '--json', '-'], { input });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      refused: { keyword: 'pattern', pointer: '/properties/a' },
    });
  });

  test('for machines', async () => {
    using home = new CliHome();
    const input = JSON.stringify(schema);
    const { code, stdout } = await home.run(['schema', 'explain', '-', '--json'], { input });
    expect(code).toBe(0);
    const explained = JSON.parse(stdout) as { enforced: { examples: string[] } };
    expect(explained).toMatchObject({ draft: 'unnamed', depth: 1, annotations: [{ count: 1 }] });
    expect(explained.enforced).not.toHaveProperty('grammar');
    for (const example of explained.enforced.examples) {
      expect(JSON.parse(example)).toEqual({ name: expect.any(String), age: expect.any(Number) });
    }
  });

  test('the limits are those of the server that would serve it', async () => {
    using home = new CliHome();
    home.write('hearth.toml', '[limits]\nschema_max_depth = 1\n');
    const { code, stdout } = await home.run(['schema', 'explain', '-'], {
      input: '{"items":{"items":{}}}',
    });
    expect(code).toBe(1);
    expect(stdout).toContain('more than 1 schemas');
  });

  test('one that never ends is refused', async () => {
    using home = new CliHome();
    const { code, stdout } = await home.run(['schema', 'explain', '-', '--timeout-ms', '500'], {
      input: JSON.stringify(SLOW),
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^refused {2,}it took more than 500 ms\n/);
  });
});

function childrenOf(pid: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => statOf(child)?.parent === pid);
}

function isRunning(pid: number): boolean {
  const state = statOf(pid)?.state;
  return state !== undefined && state !== 'Z';
}

/** Source: proc(5): the name stands in brackets and may hold any. */
function statOf(pid: number): { readonly state: string; readonly parent: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state = '', parent] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state, parent: Number(parent) };
  } catch {
    return undefined; // It has ended.
  }
}
