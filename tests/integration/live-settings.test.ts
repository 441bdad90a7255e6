/** What can be changed on a server while it runs. */
import { expect, test } from 'vitest';

import { CliHome } from '../support/cli.ts';
import { type HearthProcess, startHearth } from '../support/hearth-process.ts';

/** What the server has written up to the end of `pattern`, from `start` on. */
async function untilWritten(server: HearthProcess, pattern: RegExp, start = 0): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const look = () => {
    const found = pattern.exec(server.output().slice(start));
    if (found !== null)
      resolve(server.output().slice(start, start + found.index + found[0].length));
  };
  server.child.stderr!.on('data', look);
  look();
  const written = await promise;
  server.child.stderr!.off('data', look);
  return written;
}

test('hearth log level: of all loggers, at once, until the server ends', async () => {
  using home = new CliHome();
  const server = await startHearth({ model: {} });
  const run = async (...args: string[]) => {
    const port = ['--admin-port', String(server.adminPort)];
    const { code, stdout, stderr } = await home.run([...args, ...port]);
    return code === 0 ? stdout.trim() : stderr.trim();
  };
  try {
    expect((await server.modelSettled).event).toBe('ready');
    expect(await run('log', 'level')).toBe('info');
    expect(await run('log', 'level', 'loud')).toMatch(
      /^hearth: `level`: expected "debug", "info", /,
    );
    expect(await run('log', 'level', 'debug', '--json')).toBe('{"level":"debug"}');
    await fetch(`http://127.0.0.1:${server.port}/health`);
    await untilWritten(server, /"level":"debug".*"route":"\/health"/);

    expect(await run('log', 'level', 'none')).toBe('none');
    const start = server.output().length;
    // That of a model is a child of the log, made before.
    expect(await run('unload', 'test-model')).toBe('test-model is unloaded');
    expect(await run('log', 'level', 'info')).toBe('info');
    expect(await untilWritten(server, /"log level set"/, start)).not.toMatch(/test-model|unload/);
    expect(await run('load', 'test-model')).toBe('test-model is ready');
    await untilWritten(server, /"model":"test-model".*"worker started"/, start);
  } finally {
    await server.stop();
  }
});
