/** `docs/metrics.md`: every metric with its labels, from the registry that is scraped. */
import { type MetricFacts, Metrics } from '../src/api/metrics.ts';

/** Node's own come from prom-client, named by it and not the same on every platform. */
const NODES = /^hearth_(process|nodejs)_/;

export function metricsPage(): string {
  const ours = new Metrics().all.filter(({ name }) => !NODES.test(name));
  return `${[HEAD, ...ours.map(row), '', TAIL].join('\n')}\n`;
}

function row({ name, help, type, labelNames }: MetricFacts): string {
  const labels = labelNames.map((label) => `\`${label}\``).join(', ');
  return `| \`${name}\` | ${type} | ${labels} | ${help} |`;
}

const HEAD = `# Metrics

Generated from \`src/api/metrics.ts\` by \`npm run generate\`; do not edit.

\`GET /metrics\` in Prometheus' text format, on both ports. Base units: seconds, bytes, tokens. Labels are bounded:
routes are templates, models come from the table, keys stand by name. \`key\` is \`local\` for callers who need none.
How to scrape and look at them: [monitoring](monitoring.md).

| metric | type | labels | |
|---|---|---|---|`;

const TAIL = `Besides these, prom-client's defaults for the server's own process: \`hearth_process_…\` (CPU, memory, open files) and
\`hearth_nodejs_…\` (event loop, heap, garbage collection).`;
