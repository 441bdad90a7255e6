/**
 * A look at the header of a model file, before a library believes what it says: readers loop for minutes
 * over a tensor count of two thousand million.
 *
 * Shapes  magic `GGUF` · u32 version · u64 tensors · u64 key-value pairs, little endian.
 * Errors  Error with one line that says what the file is instead.
 * Source  GGUF specification, "File structure". The least sizes are those of an empty name and of
 *         the smallest value.
 */
import { open } from 'node:fs/promises';

import { walkGgufHeader } from './header-walk.ts';

const HEADER_BYTES = 24;
const VERSIONS = [2, 3];
/** Name length 8, dimensions 4, type 4, offset 8. */
const LEAST_TENSOR_BYTES = 24;
/** Key length 8, type 4, value 1. */
const LEAST_PAIR_BYTES = 13;

export async function assertGgufHeader(path: string, fileBytes: number): Promise<void> {
  const file = await open(path, 'r');
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    await file.read(header, 0, HEADER_BYTES, 0);
    const counts = parseCounts(header, fileBytes);
    walkGgufHeader({ fd: file.fd, fileBytes, at: HEADER_BYTES, ...counts });
  } finally {
    await file.close();
  }
}

function parseCounts(header: Buffer, fileBytes: number) {
  if (header.toString('latin1', 0, 4) !== 'GGUF') {
    const start = JSON.stringify(header.toString('latin1', 0, 12).replaceAll('\0', ''));
    throw new Error(`not a GGUF file: it begins with ${start}; download it again`);
  }
  if (fileBytes < HEADER_BYTES)
    throw new Error('the file ends inside its header; download it again');
  const version = header.readUInt32LE(4);
  if (!VERSIONS.includes(version)) {
    throw new Error(`GGUF version ${version}, this build reads ${VERSIONS.join(' and ')}`);
  }
  const tensors = header.readBigUInt64LE(8);
  const pairs = header.readBigUInt64LE(16);
  const least = tensors * BigInt(LEAST_TENSOR_BYTES) + pairs * BigInt(LEAST_PAIR_BYTES);
  if (least > BigInt(fileBytes)) {
    throw new Error(
      `the header promises ${tensors} tensors and ${pairs} keys, more than fit into ${fileBytes} bytes; download it again`,
    );
  }
  return { tensors: Number(tensors), pairs: Number(pairs) };
}
