/**
 * What `config/` brings for Prometheus and Grafana, against the real programs and a real server: the
 * files are valid, the alerts fire when they should, every panel of the dashboard shows something after
 * the README's example load. Rows MX-012, MX-018.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { Metrics } from '../../src/api/metrics.ts';
import { CliHome } from '../support/cli.ts';
import { findTool } from '../support/debian-tool.ts';
import { type HearthProcess, startHearth } from '../support/hearth-process.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const promtool = findTool('promtool');
const prometheus = findTool('prometheus');

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const dashboard = JSON.parse(
  readFileSync(join(root, 'config/grafana/dashboards/hearth.json'), 'utf8'),
) as { readonly panels: readonly Panel[] };
const QUERIES = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ title, expr })),
);
const ALERTS = readFileSync(join(root, 'config/prometheus/alerts.yml'), 'utf8');

test('dashboard and alerts name metrics that there are, with labels that they have', () => {
  const all = new Map(new Metrics().all.map((metric) => [metric.name, metric]));
  const texts = [...QUERIES.map(({ expr }) => expr), ALERTS];
  const named = texts.flatMap((text) => [...text.matchAll(/\bhearth_\w+/g)].map(([name]) => name));
  expect(named.length).toBeGreaterThan(20);
  const unknown = named.filter((name) => !all.has(name.replace(/_(bucket|sum|count)$/, '')));
  expect(unknown).toEqual([]);
  for (const [, name, filter] of texts.join('\n').matchAll(/\b(hearth_\w+)\{([^}]*)\}/g)) {
    const { labelNames } = all.get(name!.replace(/_bucket$/, ''))!;
    const labels = [...filter!.matchAll(/(\w+)=/g)].map(([, label]) => label!);
    expect(labels.filter((label) => !labelNames.includes(label))).toEqual([]);
  }
});

describe.skipIf(promtool === undefined)('promtool', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-promtool-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('takes the scrape file and the rules', () => {
    cpSync(join(root, 'config/prometheus'), folder, { recursive: true });
    writeFileSync(join(folder, 'hearth.key'), 'sk-hearth-test\n');
    const said = execFileSync(promtool!, ['check', 'config', 'prometheus.yml'], { cwd: folder });
    expect(String(said)).toContain('10 rules found');
  });

  test('sees every alert fire when it should, and none on a server that is well', () => {
    const args = ['test', 'rules', 'alerts.test.yml'];
    const said = execFileSync(promtool!, args, { cwd: join(root, 'config/prometheus') });
    expect(String(said)).toContain('SUCCESS');
    const cases = readFileSync(join(root, 'config/prometheus/alerts.test.yml'), 'utf8');
    for (const [, name] of ALERTS.matchAll(/alert: (\w+)/g)) {
      expect(cases.split(`alertname: ${name}`).length - 1).toBe(2);
    }
  });

  test('finds nothing to say about what is scraped', async () => {
    const text = await new Metrics().render();
    // Lint, not validity: Node's own names are prom-client's.
    const ours = text
      .split('\n')
      .filter((line) => !/hearth_(nodejs|process)_/.test(line))
      .join('\n');
    execFileSync(promtool!, ['check', 'metrics'], { input: ours });
  });
});

describe.skipIf(prometheus === undefined)('Prometheus in a container, as it seems', () => {
  const home = new CliHome();
  let server: HearthProcess;
  let scraper: ChildProcess | undefined;
  let url = '';

  beforeAll(async () => {
    const state = home.path('state');
    const added = await home.run(['key', 'add', 'prometheus', '--state-dir', state]);
    home.write('hearth.key', added.stdout);
    home.write('hearth.toml', '[server]\nallowed_hosts = ["host.docker.internal"]\n');
    server = await startHearth({
      model: {},
      args: ['--config', home.path('hearth.toml'), '--state-dir', state, '--slots', '2'],
    });
    await server.modelSettled;
    const port = await freePort();
    writeConfig(home, server.port);
    const args = [
      `--config.file=${home.path('prometheus.yml')}`,
      `--storage.tsdb.path=${home.path('data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ];
    scraper = spawn(prometheus!, args, { stdio: 'ignore' });
    url = `http://127.0.0.1:${port}`;
  });

  afterAll(async () => {
    if (scraper !== undefined && scraper.exitCode === null) {
      scraper.kill('SIGKILL');
      await once(scraper, 'exit');
    }
    await server?.stop();
    home[Symbol.dispose]();
  });

  test('scrapes with the key of the file, and every panel shows something after the example load', async () => {
    const key = readFileSync(home.path('hearth.key'), 'utf8').trim();
    await until(async () => (await query(url, 'up{job="hearth"} == 1')).length > 0);
    // The loop of the README: eight low ones, and a high one among them.
    const load = [...Array<string>(8).fill('low'), 'high'].map((priority) =>
      fetch(`http://127.0.0.1:${server.port}/v1/completions`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-priority': priority,
          authorization: `Bearer ${key}`,
        },
        body: JSON.stringify({ model: 'test-model', prompt: 'Once upon a time', max_tokens: 50 }),
      }).then(async (response) => [response.status, (await response.text()).length > 0]),
    );
    expect(new Set((await Promise.all(load)).map(([status]) => status))).toEqual(new Set([200]));
    for (const { title, expr } of QUERIES) {
      const promql = expr.replaceAll('$__rate_interval', '1m');
      await until(async () => (await query(url, promql)).length > 0, `${title}: ${promql}`);
    }
    // Scraped by a name that only the configuration allows, and only with the key.
    const asDocker = `up{job="container", instance="host.docker.internal:${server.port}"} == 1`;
    await until(async () => (await query(url, asDocker)).length > 0, asDocker);
  });
});

/**
 * The committed scrape file, quicker, at the server under test; and the same as it comes from a container.
 * There the name leads to this machine. Here nothing does, so the server itself is named as the proxy: it
 * gets the same request, with that name in target and Host.
 */
function writeConfig(home: CliHome, port: number): void {
  const committed = readFileSync(join(root, 'config/prometheus/prometheus.yml'), 'utf8');
  const [head, job] = committed.split('scrape_configs:\n') as [string, string];
  const container = job
    .replace('job_name: hearth', 'job_name: container')
    .replace("targets: ['localhost:11440']", `targets: ['host.docker.internal:${port}']`);
  const text = [
    head.replace('scrape_interval: 10s', 'scrape_interval: 1s'),
    'scrape_configs:\n',
    job.replace("targets: ['localhost:11440']", `targets: ['localhost:${port}']`),
    `${container}    proxy_url: http://127.0.0.1:${port}\n`,
  ].join('');
  expect(text.split(`:${port}`).length - 1).toBe(3);
  expect(text).toContain('scrape_interval: 1s');
  home.write('prometheus.yml', text);
  home.write('alerts.yml', ALERTS);
}

interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

async function query(url: string, promql: string): Promise<readonly Series[]> {
  try {
    const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(promql)}`);
    const body = (await response.json()) as { data?: { result: readonly Series[] } };
    return body.data?.result ?? [];
  } catch {
    return []; // it is starting
  }
}

/** Asks again until it holds; the limit is that of the test, and says what it waited for. */
async function until(holds: () => Promise<boolean>, what = ''): Promise<void> {
  const stop = AbortSignal.timeout(40_000);
  while (!(await holds())) {
    if (stop.aborted) throw new Error(`still nothing: ${what}`);
    // Between two looks: the next scrape is what is waited for.
    await setTimeout(50);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
