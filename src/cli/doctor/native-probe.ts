/**
 * Loads the native library and prints one JSON line about it. Runs as a child of `hearth doctor`,
 * because native code that does not fit the machine may end its process.
 */
import { getLlama } from 'node-llama-cpp';

const llama = await getLlama({
  gpu: 'auto',
  build: 'never',
  skipDownload: true,
  progressLogs: false,
  logger: () => {},
});
const devices = llama.gpu === false ? [] : await llama.getGpuDeviceNames();
const memory = llama.gpu === false ? undefined : await llama.getVramState();
const facts = {
  release: llama.llamaCppRelease.release,
  gpu: llama.gpu === false ? 'off' : llama.gpu,
  devices,
  gpuBytes: memory?.total ?? 0,
  cpuMathCores: llama.cpuMathCores,
};
process.stdout.write(`${JSON.stringify(facts)}\n`);
await llama.dispose();
