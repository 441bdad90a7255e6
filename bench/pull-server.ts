/**
 * The hub of `npm run bench -- pull`, in a process of its own: one repository with one file of so many MiB.
 * Prints its address and that of the file, and ends with its stdin, so that it never outlives the bench.
 */
import { ggufNoise, LocalHub } from '../tests/support/hub.ts';

const mib = Number(process.argv[2]);
const hub = await LocalHub.start();
hub.repositories.set('bench/model', { files: { 'model-Q8_0.gguf': ggufNoise(mib * 2 ** 20) } });
const file = `${hub.storeUrl}/bench/model/model-Q8_0.gguf`;
process.stdout.write(`${JSON.stringify({ url: hub.url, file })}\n`);
process.stdin.resume().once('end', () => hub[Symbol.asyncDispose]());
