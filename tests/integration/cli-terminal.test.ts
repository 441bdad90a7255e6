/** What a person at a terminal sees. The terminal is a real one, made by Python's pty module. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';

import { CliHome, type Listening } from '../support/cli.ts';

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
/** The prompt, and the sequence by which readline puts the cursor behind it. */
const PROMPT = /> \p{Cc}\[3G/u;

const hasPython = spawnSync('python3', ['--version']).status === 0;
if (!hasPython) console.warn('skipped: a terminal is made with python3, which is not here');

describe.skipIf(!hasPython)('on a terminal', () => {
  test('chat: an answer with its figures, Ctrl-C cancels, commands, Ctrl-C twice leaves', async () => {
    using home = new CliHome();
    await using cli = home.startOnTerminal(['chat', '--model', `small=${home.fakeModel()}`]);
    expect(await cli.untilText(PROMPT)).toContain('Talking to small.');

    cli.type('[[slow:30]] good morning\r');
    const answer = await cli.untilText(/first after \d+\.\d\d s/);
    expect(answer).toMatch(/good morning ~[^\n]*\n[^\n]*\d+ tokens · \d+\.\d tokens\/s · /);
    await cli.untilText(PROMPT);

    cli.type('[[slow:20]] [[tokens:2000]]\r');
    // The echo of what was typed, then the first of the answer.
    await cli.untilText(/2000\]\]\r+\n\s*\S/);
    cli.type(CTRL_C);
    await cli.untilText(/cancelled · first after/);
    await cli.untilText(PROMPT);

    for (const [line, shown] of [
      ['/help', /twice at the prompt: leave/],
      ['/reset', /forgotten/],
      ['/nope', /no command \/nope/],
    ] as const) {
      cli.type(`${line}\r`);
      await cli.untilText(shown);
      await cli.untilText(PROMPT);
    }

    cli.type(CTRL_C);
    await cli.untilText(/Ctrl-C again leaves/);
    await cli.untilText(PROMPT);
    cli.type(CTRL_C);
    expect(await cli.exited).toBe(0);
  });

  test('chat: Ctrl-D leaves; an answer that fails does not', async () => {
    using home = new CliHome();
    await using cli = home.startOnTerminal(['chat', '--model', `small=${home.fakeModel()}`]);
    await cli.untilText(PROMPT);
    cli.type('[[die]]\r');
    await cli.untilText(/worker of small/i);
    await cli.untilText(PROMPT);
    cli.type('and again\r');
    await cli.untilText(/first after/);
    await cli.untilText(PROMPT);
    cli.type(CTRL_D);
    expect(await cli.exited).toBe(0);
  });

  test('serve: a bar while it loads, log lines for people, Ctrl-C drains', async () => {
    using home = new CliHome();
    const model = home.fakeModel({ loadMs: 600 });
    const flags = ['--model', `small=${model}`, '--port', '0', '--admin-port', '0'];
    await using cli = home.startOnTerminal(['serve', ...flags]);
    await cli.untilText(/loading small \[[█·]{24}\] +\d+ %/);
    await cli.untilText(/small is ready after \d\.\d s/);
    expect(cli.stdout).toMatch(/^\S* ?\d\d:\d\d:\d\d info +worker started model=small/m);
    cli.type(CTRL_C);
    await cli.untilText(/stopped drained=true/);
    expect(await cli.exited).toBe(0);
  });

  test('serve: SIGHUP reloads, and ends the server when its terminal is gone', async () => {
    using home = new CliHome();
    const flags = ['--model', `small=${home.fakeModel()}`, '--port', '0', '--admin-port', '0'];
    await using cli = home.startOnTerminal(['serve', ...flags, '--json']);
    const listening = await cli.untilText(/\{"event":"listening".*\}/);
    const { pid, admin_port: port } = JSON.parse(/\{.*\}/.exec(listening)![0]) as Listening;
    process.kill(pid, 'SIGHUP');
    await cli.untilText(/configuration read again/);
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
    // The other end of the terminal goes with the bridge.
    cli.kill('SIGKILL');
    while (isAlive(pid)) await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
  });
});

/** Whether a process of this id is there. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // ESRCH, the one thing that can be wrong with a signal of our own user.
    return false;
  }
}
