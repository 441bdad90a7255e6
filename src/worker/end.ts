/** Ways for a worker process to end. */

/**
 * SIGKILL to the whole process group, so that nothing a backend has started outlives it, and so
 * that no destructor runs under a native call, which `process.exit` would allow.
 *
 * A group with our pid as its id is one that we lead. Where there is none (the worker was started
 * by hand from a shell) only this process ends, not the shell's other children.
 */
export function killOwnGroup(): never {
  try {
    process.kill(-process.pid, 'SIGKILL');
  } catch {
    // ESRCH: not a leader.
  }
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable: SIGKILL cannot be survived');
}
