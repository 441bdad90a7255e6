/**
 * The commands of `hearth`. Each command's code is imported when it runs, so that a start pays for
 * what it uses only.
 *
 * Exit codes  0 done · 1 failed, the reason on stderr · 2 a command or flag that does not exist.
 */
import { Command, CommanderError } from 'commander';

import { type CliContext, CliError } from './context.ts';
import { wholeNumber } from './schema/options.ts';
import { readVersion } from './version.ts';

/** Resolves with the exit code. Writes its own errors. */
export async function runProgram(args: readonly string[], context: CliContext): Promise<number> {
  let code = 0;
  const done = (exitCode: number) => {
    code = exitCode;
  };
  try {
    const program = createProgram(context, done);
    if (args.length === 0) {
      program.outputHelp();
      return 0;
    }
    if (args[0] === 'bench') {
      const { registerBench } = await import('./bench/command.ts');
      registerBench(program, context.environment);
    }
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    // commander has already said what is wrong, and 0 is --help and --version.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(`${explainFailure(error)}\n`);
    return 1;
  }
}

/** Such as `serve` and `config init`, as they are typed. */
export function commandNames(context: CliContext): readonly string[] {
  const namesIn = (parent: Command, before: string): readonly string[] =>
    parent.commands.flatMap((one) => [
      `${before}${one.name()}`,
      ...namesIn(one, `${before}${one.name()} `),
    ]);
  return namesIn(
    createProgram(context, () => {}),
    '',
  );
}

function createProgram(context: CliContext, done: (exitCode: number) => void): Command {
  const program = new Command('hearth')
    .description(
      'A local inference server that enforces or refuses, never hangs and loses nothing.',
    )
    .version(readVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .showHelpAfterError('Run "hearth --help" for the commands and flags.')
    .exitOverride();

  withConfigFlags(program.command('serve'))
    .description('serve models over HTTP')
    .option(
      '--model <name=path>',
      'a GGUF file; may be repeated, replaces the configured models',
      collect,
    )
    .option('--json', 'print one JSON line when listening and one when a model is ready')
    .action(async (flags) => {
      const { serve } = await import('./serve.ts');
      done(await serve(flags, context));
    });

  withConfigFlags(program.command('chat'))
    .description('talk to a model')
    .argument('[model]', 'name of the model; the default one if absent')
    .option('--model <name=path>', 'serve this one if no server is running', collect)
    .option('--url <url>', 'server to talk to, instead of the configured one')
    .option('--system <text>', 'a system message to begin with')
    .action(async (model: string | undefined, flags) => {
      const { chat } = await import('./chat/chat.ts');
      done(await chat(model, flags, context));
    });

  withConfigFlags(program.command('models'))
    .description('list the models and their state')
    .option('--disk', 'those that were pulled, and what they take on the disk')
    .option('--json', 'print JSON')
    .action(async (flags) => {
      const { models } = await import('./models.ts');
      done(await models(flags, context));
    });

  withConfigFlags(program.command('pull'))
    .description('bring a model from Hugging Face; without one, list the short names')
    .argument('[model]', 'a short name, org/model[:QUANT], or an address of the hub')
    .option('--name <name>', 'serve it by this name; by default that of the repository')
    .option('--revision <revision>', 'a branch, tag or commit; by default the newest')
    .option('--list', 'list the short names')
    .option('--json', 'print one JSON event a line')
    .addHelpText(
      'after',
      `
Environment:
  HF_TOKEN          for gated and private models; sent to the hub alone
  HF_ENDPOINT       a mirror, instead of https://huggingface.co
  HF_HUB_OFFLINE    1: ask nobody; what is there is good

Ctrl-C stops it, and the same command goes on where it was.`,
    )
    .action(async (model: string | undefined, flags) => {
      const { pullCommand } = await import('./pull/pull.ts');
      done(await pullCommand(model, flags, context));
    });

  withConfigFlags(program.command('rm'))
    .description('remove models that were pulled')
    .argument('<model...>', 'the names they are served by')
    .option('--json', 'print JSON')
    .action(async (names: readonly string[], flags) => {
      const { rm } = await import('./rm.ts');
      done(await rm(names, flags, context));
    });

  withStateFlags(program.command('ps'))
    .description('list the workers and whether they run')
    .option('--json', 'print JSON')
    .option('--watch', 'again every second')
    .action(async (flags) => {
      const { ps } = await import('./ps.ts');
      done(await ps(flags, context));
    });

  const operations = [
    ['load', '<model>', 'load a model now, also one that was stopped or has failed'],
    [
      'unload',
      '<model>',
      'end what runs on a model and its worker; the next request loads it again',
    ],
    ['recycle', '<name>', 'replace the workers of a model, or one by id or pid, by new ones'],
    ['stop', '<worker>', 'end a worker by id or pid, or all of a model, until it is loaded'],
    ['drain', undefined, 'let what runs end, take nothing new, and end the server'],
  ] as const;
  for (const [operation, argument, description] of operations) {
    const command = withConfigFlags(program.command(operation))
      .description(description)
      .option('--json', 'print JSON');
    if (argument !== undefined) command.argument(argument);
    command.action(async (...args: unknown[]) => {
      const name = argument === undefined ? undefined : String(args[0]);
      const flags = command.opts();
      const { operate } = await import('./operate.ts');
      done(await operate(operation, name, flags, context));
    });
  }

  withConfigFlags(program.command('reload'))
    .description('have a running server read its configuration again, as SIGHUP does')
    .option('--json', 'print JSON')
    .action(async (flags) => {
      const { reload } = await import('./reload.ts');
      done(await reload(flags, context));
    });

  const log = program.command('log').description('what a running server logs');
  withConfigFlags(log.command('level'))
    .description('show the level, or set another one until the server ends')
    .argument('[level]', 'debug, info, warning, error or none')
    .option('--json', 'print JSON')
    .action(async (level: string | undefined, flags) => {
      const { logLevel } = await import('./log-level.ts');
      done(await logLevel(level, flags, context));
    });

  const key = program.command('key').description('make and revoke API keys, see what they use');
  withStateFlags(key.command('add'))
    .description('make a key; it is printed this once')
    .argument('<name>', 'how logs, metrics and usage call it')
    .option('--priority-max <class>', 'the highest class of its requests: high, normal or low')
    .option('--requests-per-minute <n>', 'requests within any 60 s')
    .option('--burst <n>', 'requests within any burst window')
    .option('--tokens-per-minute <n>', 'tokens within any 60 s, prompt and answer')
    .option('--tokens-per-day <n>', 'tokens within a day of UTC')
    .option('--concurrency-max <n>', 'requests that run at once; what is beyond waits')
    .option('--model <name>', 'a model it may use; may be repeated, all if absent', collect)
    .option('--expires <when>', '30d, 12h, 4w from now, or a time such as 2027-01-31')
    .option('--admin', 'may use the admin port')
    .option('--json', 'print JSON')
    .action(async (name: string, flags) => {
      const { addKey } = await import('./keys.ts');
      done(addKey(name, flags, context));
    });
  withStateFlags(key.command('list'))
    .description('list the keys and what they may do')
    .option('--json', 'print JSON')
    .action(async (flags) => {
      const { listApiKeys } = await import('./keys.ts');
      done(listApiKeys(flags, context));
    });
  withStateFlags(key.command('revoke'))
    .description('refuse a key from now on')
    .argument('<name>')
    .option('--forget', 'remove it and its usage, so that the name is free')
    .action(async (name: string, flags) => {
      const { revokeKey } = await import('./keys.ts');
      done(revokeKey(name, flags, context));
    });
  withStateFlags(key.command('usage'))
    .description('requests and tokens by day and key')
    .argument('[name]', 'of one key')
    .option('--days <n>', 'so many days back', '7')
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, flags) => {
      const { showUsage } = await import('./keys.ts');
      done(showUsage(name, flags, context));
    });

  const config = program.command('config').description('look at the configuration');
  withConfigFlags(config.command('show'))
    .description('print every value and where it came from')
    .option('--json', 'print JSON')
    .action(async (flags) => {
      const { showConfig } = await import('./config.ts');
      done(showConfig(flags, context));
    });
  withConfigFlags(config.command('check'))
    .description('check the configuration and say what is wrong')
    .action(async (flags) => {
      const { checkConfig } = await import('./config.ts');
      done(checkConfig(flags, context));
    });
  config
    .command('init')
    .description('write a configuration file with every key and its default')
    .argument('[file]', 'where to write it', 'hearth.toml')
    .action(async (file: string) => {
      const { initConfig } = await import('./config.ts');
      done(initConfig(file));
    });

  registerSchema(program, context, done);

  const mlx = program.command('mlx').description('models on MLX, which runs in Python');
  mlx
    .command('setup')
    .description('make the Python environment that MLX models run in, and check it')
    .option('--offline <folder>', 'take all packages from a folder of wheels')
    .option('--force', 'make it again although it is there')
    .action(async (flags) => {
      const { setUpMlx } = await import('./mlx/setup.ts');
      done(await setUpMlx(flags, context));
    });

  withConfigFlags(program.command('doctor'))
    .description('check this machine: versions, CPU and GPU, native library, ports, folders')
    .option('--json', 'print JSON')
    .action(async (flags) => {
      const { doctor } = await import('./doctor/doctor.ts');
      done(await doctor(flags, context));
    });

  program.command('bench').description('measure a server over HTTP');
  return program;
}

function registerSchema(
  program: Command,
  context: CliContext,
  done: (exitCode: number) => void,
): void {
  const schema = program
    .command('schema')
    .description('see what becomes of JSON Schemas as response_format');
  withChildLimits(schema.command('check'))
    .description('check schemas and their instances by the grammars that would be served')
    .argument('[file]', 'JSON lines {"id","schema","tests":[{"valid","data"}]}; - is stdin', '-')
    .option('--max-bytes <n>', 'of a schema as compact JSON', wholeNumber(1, 8_388_608), 1_048_576)
    .option('--max-depth <n>', 'schemas inside of schemas', wholeNumber(1, 64), 64)
    .addHelpText(
      'after',
      `
A line for each, in the same order: {"id","result","keyword","pointer","why","ms"}
  pass     all its instances are judged right; "reordered": one only after its keys were put in order
  refused  it cannot be enforced, or the line is no such line
  over     a valid instance is rejected        under    an invalid one is accepted
  timeout  a child was too slow                crash    a child died`,
    )
    .action(async (file: string, limits) => {
      const { checkSchemas } = await import('./schema/check.ts');
      done(await checkSchemas(file, limits, context));
    });
  withChildLimits(withStateFlags(schema.command('explain')))
    .description(
      'say whether a schema is enforced, how large it becomes, and what its values look like',
    )
    .argument('<file>', 'a JSON Schema; - is stdin')
    .option('--max-bytes <n>', 'as schema_max_bytes if absent', wholeNumber(1, 8_388_608))
    .option('--max-depth <n>', 'as schema_max_depth if absent', wholeNumber(1, 64))
    .option('--examples <n>', 'values to draw', wholeNumber(0, 20), 3)
    .option('--grammar', 'print the grammar, too')
    .option('--json', 'print JSON')
    .action(async (file: string, flags) => {
      const { explainSchemas } = await import('./schema/explain.ts');
      done(await explainSchemas(file, flags, context));
    });
}

function withChildLimits(command: Command): Command {
  return command
    .option('--timeout-ms <n>', 'of the processor, for one schema', wholeNumber(1, 600_000), 2_000)
    .option('--memory-mb <n>', 'of heap for one schema', wholeNumber(32, 65_536), 1_024);
}

function withStateFlags(command: Command): Command {
  return command
    .option('--config <file>', 'configuration file')
    .option('--state-dir <dir>', 'folder of the state');
}

function withConfigFlags(command: Command): Command {
  return withStateFlags(command)
    .option('--host <address>', 'address to listen on')
    .option('--port <n>', 'main port; 0 picks a free one')
    .option('--admin-port <n>', 'admin port; 0 picks a free one')
    .option('--slots <n>', 'sequences that a model decodes at once')
    .option('--context-tokens <n>', 'context of one slot');
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** Failures the user can mend have one line each; anything else is ours and shows its stack. */
function explainFailure(error: unknown): string {
  if (!(error instanceof Error)) return `hearth: ${String(error)}`;
  const known =
    error instanceof CliError ||
    ['ConfigError', 'ModelError', 'KeyStoreError'].includes(error.name);
  const text = known ? error.message : (error.stack ?? error.message);
  return text
    .split('\n')
    .map((line, index) => (known || index === 0 ? `hearth: ${line}` : line))
    .join('\n');
}
