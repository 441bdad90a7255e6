/** Is the Python environment for MLX models there, and do its libraries load? Not to have it is no fault. */
import { execFile } from 'node:child_process';
import * as z from 'zod';

import type { CliContext } from '../context.ts';
import { workerEnvironment } from '../environment.ts';
import { mlxPlace, mlxProgram } from '../mlx/environment.ts';
import { type Check, fail, good } from './check.ts';

const LIMIT_MS = 60_000;
const PROBE = `
import json, sys
from importlib.metadata import version
import mlx.core as mx
names = ("mlx", "mlx-lm", "llguidance")
print(json.dumps({"python": sys.version.split()[0], "device": mx.default_device().type.name,
                  "versions": {name: version(name) for name in names}}))
`;

const Facts = z.object({
  python: z.string(),
  device: z.string(),
  versions: z.record(z.string(), z.string()),
});

export async function checkMlx(context: CliContext): Promise<Check> {
  const { folder } = mlxPlace(context.folders);
  const program = mlxProgram(context);
  if (program === undefined) {
    return good('MLX', 'not set up; GGUF models need none of it. "hearth mlx setup" makes it');
  }
  const { error, stdout } = await new Promise<{ error: Error | null; stdout: string }>(
    (resolve) => {
      const env = { ...workerEnvironment(context.environment, undefined), ...program.environment };
      execFile(program.command, ['-s', '-c', PROBE], { env, timeout: LIMIT_MS }, (error, stdout) =>
        resolve({ error, stdout }),
      );
    },
  );
  const facts = error === null ? Facts.safeParse(parsed(stdout)).data : undefined;
  if (facts === undefined) {
    const why = error?.message.trim().split('\n').at(-1) ?? 'it said nothing that can be read';
    return fail('MLX', `${folder} does not work: ${why}`, 'Run "hearth mlx setup --force".');
  }
  const libraries = Object.entries(facts.versions).map(([name, version]) => `${name} ${version}`);
  return good(
    'MLX',
    `${libraries.join(', ')} on Python ${facts.python}; computes on ${facts.device}`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Then it is no answer of ours.
    return undefined;
  }
}
