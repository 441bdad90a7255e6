/**
 * `config/grafana/dashboards/hearth.json`: one dashboard, from a list of panels.
 *
 * Source  Grafana's dashboard JSON model, schema version 39 (Grafana 10.4 and later read it).
 */

interface Query {
  readonly expr: string;
  /** `{{label}}` is the label's value. */
  readonly legend: string;
}

interface Panel {
  readonly title: string;
  readonly description: string;
  /** Grafana's name of it. */
  readonly unit: 's' | 'short' | 'bytes' | 'reqps' | 'percentunit';
  readonly queries: readonly Query[];
}

interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const RATE = '[$__rate_interval]';

function quantile(q: number, metric: string, by: string): string {
  return `histogram_quantile(${q}, sum by (le, ${by}) (rate(hearth_${metric}_bucket${RATE})))`;
}

function rate(metric: string, by: string, filter = ''): string {
  return `sum by (${by}) (rate(hearth_${metric}${filter}${RATE}))`;
}

const ROWS: readonly Row[] = [
  {
    title: 'How it feels',
    panels: [
      {
        title: 'Time to first token',
        description: 'Arrival to first token, the wait in the queue included, by class.',
        unit: 's',
        queries: [
          { expr: quantile(0.5, 'ttft_seconds', 'priority'), legend: '{{priority}} p50' },
          { expr: quantile(0.95, 'ttft_seconds', 'priority'), legend: '{{priority}} p95' },
        ],
      },
      {
        title: 'Gap between tokens',
        description: 'What a reader of a stream sees; p99 shows stalls.',
        unit: 's',
        queries: [
          { expr: quantile(0.5, 'itl_seconds', 'job'), legend: 'p50' },
          { expr: quantile(0.99, 'itl_seconds', 'job'), legend: 'p99' },
        ],
      },
      {
        title: 'Wait for a slot',
        description: 'Arrival to grant, by class; of those that were granted.',
        unit: 's',
        queries: [
          { expr: quantile(0.95, 'queue_wait_seconds', 'priority'), legend: '{{priority}} p95' },
        ],
      },
    ],
  },
  {
    title: 'Work',
    panels: [
      {
        title: 'Tokens per second',
        description: 'Prompt tokens, those of them that were cached, and generated ones, by model.',
        unit: 'short',
        queries: [{ expr: rate('tokens_total', 'model, kind'), legend: '{{model}} {{kind}}' }],
      },
      {
        title: 'Requests',
        description: 'By status, on the routes that generate.',
        unit: 'reqps',
        queries: [
          {
            expr: rate('requests_total', 'status', '{route=~"/v1/.*completions"}'),
            legend: '{{status}}',
          },
        ],
      },
      {
        title: 'Slots',
        description: 'Busy and free, by model. Busy above the configured number: the high lane.',
        unit: 'short',
        queries: [{ expr: 'sum by (model, state) (hearth_slots)', legend: '{{model}} {{state}}' }],
      },
    ],
  },
  {
    title: 'Queue',
    panels: [
      {
        title: 'Waiting',
        description: 'Requests that wait for a slot, by class.',
        unit: 'short',
        queries: [{ expr: 'sum by (priority) (hearth_queue_depth)', legend: '{{priority}}' }],
      },
      {
        title: 'Refused and timed out',
        description: 'On arrival by reason, and those that waited out the deadline of their class.',
        unit: 'reqps',
        queries: [
          {
            expr: rate('queue_rejects_total', 'reason, priority'),
            legend: '{{reason}} {{priority}}',
          },
          { expr: rate('queue_timeouts_total', 'priority'), legend: 'timeout {{priority}}' },
        ],
      },
      {
        title: 'Preemptions',
        description: 'Requests without a token that gave their slot to the class high.',
        unit: 'reqps',
        queries: [{ expr: rate('preemptions_total', 'model'), legend: '{{model}}' }],
      },
    ],
  },
  {
    title: 'Keys',
    panels: [
      {
        title: 'Tokens by key',
        description: 'Prompt and generated tokens a second; `local` are callers without a key.',
        unit: 'short',
        queries: [
          {
            expr: rate('key_tokens_total', 'key', '{kind=~"prompt|generated"}'),
            legend: '{{key}}',
          },
        ],
      },
      {
        title: 'Requests by key',
        description: 'Generations.',
        unit: 'reqps',
        queries: [{ expr: rate('key_requests_total', 'key'), legend: '{{key}}' }],
      },
      {
        title: 'Over a limit',
        description: '429, by key: rate limits and daily quotas.',
        unit: 'reqps',
        queries: [{ expr: rate('ratelimit_rejects_total', 'key'), legend: '{{key}}' }],
      },
    ],
  },
  {
    title: 'Workers',
    panels: [
      {
        title: 'Memory',
        description: 'Resident memory of the workers and of the server, GPU memory of the workers.',
        unit: 'bytes',
        queries: [
          { expr: 'sum by (model) (hearth_worker_rss_bytes)', legend: '{{model}}' },
          { expr: 'sum by (model) (hearth_worker_gpu_bytes)', legend: '{{model}} GPU' },
          { expr: 'hearth_process_resident_memory_bytes', legend: 'server' },
        ],
      },
      {
        title: 'Signs of life',
        description: 'Age of the last heartbeat, and restarts an hour.',
        unit: 's',
        queries: [
          { expr: 'max by (model) (hearth_worker_heartbeat_age_seconds)', legend: '{{model}}' },
          {
            expr: 'sum by (reason) (increase(hearth_worker_restarts_total[1h]))',
            legend: 'restarts {{reason}}',
          },
        ],
      },
      {
        title: 'Event loop',
        description: 'Delay of the server between two looks at its sockets.',
        unit: 's',
        queries: [{ expr: 'hearth_event_loop_lag_seconds', legend: '{{at}}' }],
      },
    ],
  },
];

const COLUMNS = 24;
const HEIGHT = 8;
const DATASOURCE = { type: 'prometheus', uid: '$datasource' } as const;

export function grafanaDashboard(): string {
  let id = 0;
  let y = 0;
  const panels = ROWS.flatMap(({ title, panels: inRow }) => {
    const width = COLUMNS / inRow.length;
    const head = {
      id: ++id,
      type: 'row',
      title,
      collapsed: false,
      panels: [],
      gridPos: { h: 1, w: COLUMNS, x: 0, y },
    };
    const placed = inRow.map((panel, index) =>
      toJson(panel, { id: ++id, gridPos: { h: HEIGHT, w: width, x: index * width, y: y + 1 } }),
    );
    y += 1 + HEIGHT;
    return [head, ...placed];
  });
  const dashboard = {
    title: 'Hearth',
    uid: 'hearth',
    tags: ['hearth'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    refresh: '10s',
    time: { from: 'now-30m', to: 'now' },
    timezone: 'browser',
    templating: {
      list: [{ name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' }],
    },
    annotations: { list: [] },
    panels,
  };
  return `${JSON.stringify(dashboard, undefined, 2)}\n`;
}

function toJson({ title, description, unit, queries }: Panel, place: object): object {
  return {
    ...place,
    type: 'timeseries',
    title,
    description,
    datasource: DATASOURCE,
    fieldConfig: { defaults: { unit, min: 0, custom: { fillOpacity: 10 } }, overrides: [] },
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
    targets: queries.map(({ expr, legend }, index) => ({
      datasource: DATASOURCE,
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      expr,
      legendFormat: legend,
    })),
  };
}
