/**
 * What `hearth serve` prints on stdout: for people where it listens, which models, and a line to
 * try; with `--json` one JSON line for each of
 *
 *   {"event":"listening","url","hosts","port","admin_port","pid","models"}
 *   {"event":"ready","model","load_ms"}      once a model has been loaded, each time
 *   {"event":"failed","model","reason"}
 */
import type { Clock } from '../core/clock.ts';
import type { ModelInfo } from '../core/engine.ts';
import { urlOf } from './running-server.ts';

interface Listening {
  readonly hosts: readonly string[];
  readonly port: number;
  readonly adminPort: number;
}

export interface ServeReportOptions {
  readonly isJson: boolean;
  readonly version: string;
  readonly clock: Clock;
  readonly print: (line: string) => void;
}

export class ServeReport {
  readonly #options: ServeReportOptions;
  readonly #states = new Map<string, string>();
  readonly #sinceMs = new Map<string, number>();

  constructor(options: ServeReportOptions) {
    this.#options = options;
  }

  listening({ hosts, port, adminPort }: Listening, models: readonly ModelInfo[]): void {
    const { isJson, print, version } = this.#options;
    const urls = hosts.map((host) => urlOf({ host, port }));
    const [url = ''] = urls;
    const names = models.map(({ name }) => name);
    if (isJson) {
      const facts = { url: `${url}/v1`, hosts, port, admin_port: adminPort, pid: process.pid };
      print(JSON.stringify({ event: 'listening', ...facts, models: names }));
      return;
    }
    const body = JSON.stringify({
      model: names[0],
      messages: [{ role: 'user', content: 'Who are you?' }],
    });
    print(`Hearth ${version} listens on ${urls.join(' and ')}, admin port ${adminPort}`);
    print(`${names.length === 1 ? 'Model' : 'Models'}: ${names.join(', ')}`);
    print(`Try:  curl ${url}/v1/chat/completions -H 'content-type: application/json' -d '${body}'`);
    print('Stop with Ctrl-C.');
  }

  /** Prints when a model becomes ready or fails, once per change. */
  model(info: ModelInfo): void {
    const { isJson, print, clock } = this.#options;
    const before = this.#states.get(info.name);
    if (before === info.state) return;
    this.#states.set(info.name, info.state);
    if (before === undefined || info.state === 'starting') {
      this.#sinceMs.set(info.name, clock.nowMs());
    }
    const tookMs = Math.round(clock.nowMs() - (this.#sinceMs.get(info.name) ?? 0));
    if (info.state === 'ready') {
      print(
        isJson
          ? JSON.stringify({ event: 'ready', model: info.name, load_ms: tookMs })
          : `${info.name} is ready after ${(tookMs / 1000).toFixed(1)} s: ${describeModel(info)}`,
      );
    } else if (info.state === 'failed') {
      const reason = info.reason ?? 'no reason known';
      print(
        isJson
          ? JSON.stringify({ event: 'failed', model: info.name, reason })
          : `${info.name} failed: ${reason}`,
      );
    }
  }
}

function describeModel({ slots, contextTokens, facts }: ModelInfo): string {
  const parts = [`${slots} ${slots === 1 ? 'slot' : 'slots'} of ${contextTokens} tokens`];
  if (facts) {
    parts.unshift(facts.architecture, `${Math.round(facts.parameters / 1e6)} M parameters`);
    parts.push(`on ${facts.device}`);
  }
  return parts.join(', ');
}
