/** The files that are made from the code, by path in the repository. */
import { configurationPage, exampleToml, jsonSchema } from '../src/config/document.ts';
import { apiCompatPage } from './api-compat-page.ts';
import { emberFacts } from './ember-facts.ts';
import { errorsPage } from './errors-page.ts';
import { grafanaDashboard } from './grafana-dashboard.ts';
import { structuredOutputPage } from './keyword-tables.ts';
import { metricsPage } from './metrics-page.ts';

export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['config/hearth.example.toml', exampleToml()],
    ['config/hearth.schema.json', jsonSchema()],
    ['config/grafana/dashboards/hearth.json', grafanaDashboard()],
    ['docs/api-compat.md', apiCompatPage()],
    ['docs/configuration.md', configurationPage()],
    ['docs/errors.md', errorsPage()],
    ['docs/metrics.md', metricsPage()],
    ['docs/structured-output.md', structuredOutputPage()],
    ['ember/facts.json', emberFacts()],
  ]);
}
