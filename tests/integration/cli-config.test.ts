import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

import { CliHome } from '../support/cli.ts';

describe('hearth config', () => {
  test('show prints every value and where it came from', async () => {
    using home = new CliHome();
    home.write('hearth.toml', '[limits]\nqueue_depth_max = 7\n');
    const environment = { HEARTH_LOG_LEVEL: 'debug', MLX_QUEUE_TIMEOUT_LOW: '9' };
    const { code, stdout } = await home.run(['config', 'show', '--port', '5'], { environment });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^# file: hearth\.toml$/m);
    expect(stdout).toMatch(/^limits\.queue_depth_max += 7 +# hearth\.toml:2$/m);
    expect(stdout).toMatch(/^log\.level += "debug" +# env HEARTH_LOG_LEVEL$/m);
    // SP-078
    expect(stdout).toMatch(/^limits\.queue_timeout_low_s += 9 +# alias MLX_QUEUE_TIMEOUT_LOW$/m);
    expect(stdout).toMatch(/^server\.port += 5 +# flag --port$/m);
    expect(stdout).toMatch(/^server\.admin_port += 11441 +# default$/m);
  });

  // MX-052
  test('show names the tier, and the values that come from it; HEARTH_TIER forces one', async () => {
    using home = new CliHome();
    const environment = { HEARTH_TIER: '64' };
    const { stdout } = await home.run(['config', 'show', '--slots', '7'], { environment });
    expect(stdout).toMatch(/^# tier: 64$/m);
    expect(stdout).toMatch(/^tier\.memory_gb += 64 +# alias HEARTH_TIER$/m);
    expect(stdout).toMatch(/^model_defaults\.keep_alive_s += 600 +# tier 64$/m);
    expect(stdout).toMatch(/^limits\.memory_budget_bytes += \d+ +# tier 64$/m);
    expect(stdout).toMatch(/^model_defaults\.slots += 7 +# flag --slots$/m);
    const check = await home.run(['config', 'check'], { environment });
    expect(check.stdout).toMatch(/^no file: good, 1 of \d+ values set$/m);
    const wrong = await home.run(['config', 'show'], { environment: { HEARTH_TIER: '48' } });
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(
      /^hearth: alias HEARTH_TIER: tier\.memory_gb = 48 is not accepted/,
    );
  });

  test('show --json prints the same for programs', async () => {
    using home = new CliHome();
    const { stdout } = await home.run(['config', 'show', '--json']);
    const { file, settings } = JSON.parse(stdout) as { file: null; settings: object[] };
    expect(file).toBeNull();
    expect(settings).toContainEqual({ key: 'server.port', value: 11_440, source: 'default' });
  });

  test("the file is found in the platform's folder, and ./hearth.toml goes before it", async () => {
    using home = new CliHome();
    const environment = { XDG_CONFIG_HOME: home.dir };
    const isMac = process.platform === 'darwin';
    const folder = isMac ? 'Library/Application Support/Hearth' : 'hearth';
    mkdirSync(home.path(folder), { recursive: true });
    const path = home.write(`${folder}/hearth.toml`, '[server]\nport = 1\n');
    const first = await home.run(['config', 'show'], { environment });
    expect(first.stdout).toContain(`# file: ${path}`);
    home.write('hearth.toml', '[server]\nport = 2\n');
    const second = await home.run(['config', 'show'], { environment });
    expect(second.stdout).toMatch(/^server\.port += 2 +# hearth\.toml:2$/m);
  });

  test('check says that a good file is good', async () => {
    using home = new CliHome();
    home.write('hearth.toml', '[server]\nport = 2\n');
    const { code, stdout } = await home.run(['config', 'check']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^hearth\.toml: good, 1 of \d+ values set$/m);
  });

  test('check names every problem of a bad one, a line each, and exits 1', async () => {
    using home = new CliHome();
    home.write('f.toml', '[server]\nprot = 2\n[limts]\n[log]\nlevel = "loud"\n');
    const { code, stderr } = await home.run(['config', 'check', '--config', 'f.toml']);
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toEqual([
      'hearth: f.toml:2: unknown key "server.prot". Did you mean "port"?',
      'hearth: f.toml:3: unknown key "limts". Did you mean "limits"?',
      'hearth: f.toml:5: log.level = "loud" is not accepted. Write one of "debug", "info", "warning", "error", "none".',
    ]);
  });

  test('init writes a file that is good, never over another one', async () => {
    using home = new CliHome();
    expect((await home.run(['config', 'init'])).code).toBe(0);
    const text = readFileSync(home.path('hearth.toml'), 'utf8');
    expect(text).toContain('#queue_depth_max = 100');
    expect(statSync(home.path('hearth.toml')).mode & 0o777).toBe(0o600);
    expect((await home.run(['config', 'check'])).code).toBe(0);
    const again = await home.run(['config', 'init']);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('hearth.toml is there already');
    const elsewhere = await home.run(['config', 'init', 'no/such/folder.toml']);
    expect(elsewhere.code).toBe(1);
    expect(elsewhere.stderr).toMatch(/^hearth: cannot write no\/such\/folder\.toml/);
  });
});

describe('hearth', () => {
  test('without a command shows its help, like --help', async () => {
    using home = new CliHome();
    const bare = await home.run([]);
    const help = await home.run(['--help']);
    expect(bare.code).toBe(0);
    expect(help).toMatchObject({ code: 0, stdout: bare.stdout });
    for (const command of [
      'serve',
      'chat',
      'models',
      'reload',
      'log',
      'config',
      'doctor',
      'bench',
    ]) {
      expect(help.stdout).toContain(`  ${command} `);
    }
  });

  test('--version prints the version of the package', async () => {
    using home = new CliHome();
    const { code, stdout } = await home.run(['--version']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
