import { describe, expect, test } from 'vitest';

import { CliHome } from '../support/cli.ts';

describe('hearth chat', () => {
  test('without a server starts one for the question on stdin; stdout is the answer alone', async () => {
    using home = new CliHome();
    const model = home.fakeModel({ reply: { kind: 'text', text: 'Forty-two, naïvely 🙂.' } });
    const args = ['chat', '--model', model];
    const { code, stdout, stderr } = await home.run(args, { input: 'What is\nthe answer?\n' });
    expect(stderr).toBe('');
    expect(stdout).toBe('Forty-two, naïvely 🙂.\n');
    expect(code).toBe(0);
  });

  test('talks to the server that runs, with the model and the system message asked for', async () => {
    using home = new CliHome();
    const fake = home.fakeModel();
    const models = ['--model', `one=${fake}`, '--model', `two=${fake}`];
    await using cli = home.start([
      'serve',
      ...models,
      '--port',
      '0',
      '--admin-port',
      '0',
      '--json',
    ]);
    const at = await cli.untilReady();
    await cli.untilLine(/"ready","model":"two"/);
    const args = ['chat', 'two', '--port', String(at.port), '--system', 'Be brief.'];
    const byPort = await home.run(args, { input: 'ping' });
    expect(byPort).toMatchObject({ code: 0, stderr: '' });
    expect(byPort.stdout).toContain('ping');
    const byUrl = await home.run(['chat', '--url', at.url], { input: 'pong' });
    expect(byUrl.stdout).toContain('pong');
    expect(cli.stderr).toMatch(/"model":"two".*"request finished"/);
  });

  test('hearth models shows them with their state', async () => {
    using home = new CliHome();
    const args = ['--model', `one=${home.fakeModel()}`, '--model', `bad=${home.path('no.gguf')}`];
    const serve = ['serve', ...args, '--port', '0', '--admin-port', '0', '--json'];
    await using cli = home.start(serve, { HEARTH_TIER: '16' });
    const at = await cli.untilReady();
    await cli.untilLine(/"event":"failed"/);
    const flags = ['--admin-port', String(at.admin_port)];
    const text = await home.run(['models', ...flags]);
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/^one +fake +ready +3 +4096$/m);
    expect(text.stdout).toMatch(/^bad +llama-cpp +failed +3 +4096 +\S/m);
    const json = await home.run(['models', '--json', ...flags]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      models: [
        { name: 'one', state: 'ready' },
        { name: 'bad', state: 'failed' },
      ],
    });
  });

  test('hearth models without a server shows what is configured', async () => {
    using home = new CliHome();
    home.write(
      'hearth.toml',
      '[server]\nport = 1\nadmin_port = 1\n[models.mine]\npath = "m.gguf"\n',
    );
    const { code, stdout } = await home.run(['models']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^no server is running; configured:$/m);
    expect(stdout).toMatch(/^mine +llama-cpp +configured/m);
  });

  test.each([
    ['a model that is not there', ['chat', 'nine'], /no model nine\. It has: fake\./],
    ['nothing on stdin', ['chat'], /nothing on stdin/],
  ])('%s: exit 1 with the reason', async (_what, args, message) => {
    using home = new CliHome();
    const model = home.fakeModel();
    const { code, stdout, stderr } = await home.run([...args, '--model', model], {
      input: args.length === 1 ? '' : 'hi',
    });
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
    expect(code).toBe(1);
  });

  test('a model that cannot be loaded, a server that is not there: exit 1 with the reason', async () => {
    using home = new CliHome();
    const bad = await home.run(['chat', '--model', home.path('no.gguf')], { input: 'hi' });
    expect(bad).toMatchObject({ code: 1, stdout: '' });
    expect(bad.stderr).toMatch(/^hearth: no cannot be loaded: \S/);
    const gone = await home.run(['chat', '--url', 'http://127.0.0.1:1'], { input: 'hi' });
    expect(gone).toMatchObject({ code: 1, stdout: '' });
    expect(gone.stderr).toMatch(/^hearth: no server answers at http:\/\/127\.0\.0\.1:1\./);
  });

  test('an answer that breaks off: what came is shown, exit 1', async () => {
    using home = new CliHome();
    const { code, stdout, stderr } = await home.run(['chat', '--model', home.fakeModel()], {
      input: '[[die-after:5]] one two three four five six seven eight',
    });
    expect(code).toBe(1);
    expect(stdout).not.toBe('');
    expect(stderr).toMatch(/^hearth: \S/);
  });
});
