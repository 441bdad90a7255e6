/**
 * Builds llama-server from the llama.cpp source that node-llama-cpp carries as a git bundle: the
 * same commit, so that the same kernels are compared.
 *
 * clang 19, because gcc 12 with GGML_NATIVE makes a broken AMX path; OpenMP, which llama-server is
 * fastest with here. A build takes some five minutes and is made once per bundle.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

import { packageVersion, ROOT } from './report.ts';
import { PEER_BINARY } from './servers.ts';

const FOLDER = join(ROOT, '.cache/peer');
const BUNDLE = join(ROOT, 'node_modules/node-llama-cpp/llama/gitRelease.bundle');
const FLAGS = [
  '-DCMAKE_BUILD_TYPE=Release',
  '-DCMAKE_C_COMPILER=clang-19',
  '-DCMAKE_CXX_COMPILER=clang++-19',
  '-DGGML_NATIVE=ON',
  '-DGGML_OPENMP=ON',
  '-DBUILD_SHARED_LIBS=OFF',
  '-DLLAMA_OPENSSL=OFF',
  '-DLLAMA_BUILD_TESTS=OFF',
  '-DLLAMA_BUILD_EXAMPLES=OFF',
  '-DLLAMA_BUILD_UI=OFF',
  '-DLLAMA_USE_PREBUILT_UI=OFF',
];

/** What was built, in words for the report. */
export function ensurePeer(): string {
  const stampFile = join(FOLDER, 'stamp');
  const stamp = createHash('sha256')
    .update(readFileSync(BUNDLE))
    .update(FLAGS.join(' '))
    .digest('hex');
  const isFresh =
    existsSync(PEER_BINARY) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
  if (!isFresh) {
    console.error('peer: building llama-server, some five minutes…');
    rmSync(FOLDER, { recursive: true, force: true });
    mkdirSync(FOLDER, { recursive: true });
    run('git', ['clone', '--quiet', '-c', 'advice.detachedHead=false', BUNDLE, 'src']);
    run('cmake', ['-S', 'src', '-B', 'build', ...FLAGS]);
    const jobs = String(availableParallelism());
    run('nice', ['cmake', '--build', 'build', '--target', 'llama-server', '--parallel', jobs]);
    writeFileSync(stampFile, stamp);
  }
  const info = readFileSync(
    join(ROOT, 'node_modules/node-llama-cpp/llama/llama.cpp.info.json'),
    'utf8',
  );
  const tag = String((JSON.parse(info) as { tag?: unknown }).tag);
  return `llama-server of llama.cpp ${tag}, the commit of node-llama-cpp ${packageVersion('node-llama-cpp')}; clang 19, GGML_NATIVE, OpenMP`;
}

function run(command: string, args: readonly string[]): void {
  // The output of a build is long: it goes to stderr, the results to stdout.
  const { status, error } = spawnSync(command, args, { cwd: FOLDER, stdio: ['ignore', 2, 2] });
  if (status === 0) return;
  const why = error?.message ?? `exit ${status}`;
  throw new Error(
    `${command} ${args[0] ?? ''} failed (${why}). The peer needs git, cmake and clang-19.`,
  );
}
