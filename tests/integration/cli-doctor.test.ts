import { once } from 'node:events';
import { chmodSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';

import { CliHome } from '../support/cli.ts';

interface Report {
  readonly healthy: boolean;
  readonly checks: readonly { name: string; status: string; found: string; advice?: string }[];
}

async function diagnose(home: CliHome, args: readonly string[] = []) {
  const { code, stdout } = await home.run(['doctor', '--json', '--port', '0', ...args]);
  const report = JSON.parse(stdout) as Report;
  return { code, report, find: (name: string) => report.checks.find((one) => one.name === name) };
}

describe('hearth doctor', () => {
  test('loads the native library in a child and says what this machine is', async () => {
    using home = new CliHome();
    const { code, report, find } = await diagnose(home, ['--admin-port', '0']);
    expect(report.healthy).toBe(true);
    expect(code).toBe(0);
    expect(find('native library')?.found).toMatch(/^llama\.cpp \S+ loads; computes on /);
    expect(find('node')?.found).toBe(process.versions.node);
    expect(find('hearth')?.found).toMatch(/^\d+\.\d+\.\d+, node-llama-cpp 3\.21\.1$/);
    expect(find('tier')?.found).toMatch(/^(16|32|64), by \d+\.\d GB of memory; /);
    for (const name of ['system', 'CPU', 'memory', 'GPU', 'configuration', 'state folder']) {
      expect(find(name)?.found).not.toBe('');
    }
  });

  test('names what must be mended: a bad configuration, exit 1', async () => {
    using home = new CliHome();
    home.write('hearth.toml', '[server]\nprot = 1\n');
    const { code, report, find } = await diagnose(home);
    expect(code).toBe(1);
    expect(report.healthy).toBe(false);
    expect(find('configuration')).toMatchObject({
      status: 'fail',
      found: 'hearth.toml:2: unknown key "server.prot". Did you mean "port"?',
    });
  });

  test('a port in use is a warning, a model that is missing a failure', async () => {
    using home = new CliHome();
    home.write('hearth.toml', '[tier]\nmemory_gb = 16\n[models.gone]\npath = "gone.gguf"\n');
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const { code, find } = await diagnose(home, ['--admin-port', String(port)]);
    other.close();
    expect(find('admin port')).toMatchObject({ status: 'warn' });
    expect(find('admin port')?.found).toContain(`${port} is in use on 127.0.0.1`);
    expect(find('model gone')).toMatchObject({ status: 'fail' });
    expect(find('tier')?.found).toMatch(/^16, forced by hearth\.toml:2; /);
    expect(code).toBe(1);
  });

  const isRoot = process.getuid?.() === 0;
  if (isRoot) console.warn('skipped: root may write everywhere, so no folder can be closed to it');
  test.skipIf(isRoot)('a folder that cannot be written', async () => {
    using home = new CliHome();
    const dir = home.path('closed');
    mkdirSync(dir);
    chmodSync(dir, 0o500);
    const { find } = await diagnose(home, ['--state-dir', `${dir}/state`]);
    chmodSync(dir, 0o700);
    expect(find('state folder')).toMatchObject({ status: 'fail' });
  });

  test('as text: one line for each, and what to do below it', async () => {
    using home = new CliHome();
    home.write('hearth.toml', '[models.gone]\npath = "gone.gguf"\n');
    const { code, stdout } = await home.run(['doctor', '--port', '0', '--admin-port', '0']);
    expect(stdout).toMatch(/^ok {4}native library +llama\.cpp/m);
    expect(stdout).toMatch(/^FAIL {2}model gone +.*\n +Put the file there, or mend the path\.$/m);
    expect(stdout).toMatch(/^1 to mend first$/m);
    expect(code).toBe(1);
  });
});
