/** Python reads and writes the byte vectors in the same run in which TypeScript does. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

import { plainPython } from '../support/plain-python.ts';
import { vectors, vectorsFile } from '../unit/ipc/vectors.ts';

const modules = fileURLToPath(new URL('../../src/worker/mlx/hearth_mlx', import.meta.url));

const python = plainPython('worker-frames-python.test.ts');

const program = `
import json, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from frames import MAX_FRAME_BYTES, FrameDecoder, PayloadTooLarge, ProtocolError, encode_frame

def plain(frame):
    out = {"message": frame.message}
    if frame.body is not None:
        out["bodyHex"] = frame.body.hex()
    return out

def decode(pieces):
    decoder, frames = FrameDecoder(), []
    try:
        for piece in pieces:
            for frame in decoder.push(piece):
                frames.append(plain(frame))
    except ProtocolError as error:
        return {"frames": frames, "fault": error.fault}
    return {"frames": frames} if decoder.is_at_boundary else {"frames": frames, "fault": "truncated"}

def verdicts(data):
    yield decode([data])
    yield decode([data[i:i + 1] for i in range(len(data))])
    for cut in range(len(data) + 1):
        yield decode([data[:cut], data[cut:]])

def one_verdict(data):
    first, *others = verdicts(data)
    return first if all(other == first for other in others) else {"splitsDisagree": True}

def encode(frames):
    return b"".join(
        encode_frame(f["message"], bytes.fromhex(f["bodyHex"]) if "bodyHex" in f else None)
        for f in frames
    ).hex()

def refuses_too_large():
    try:
        encode_frame({"t": "x" * MAX_FRAME_BYTES})
    except PayloadTooLarge:
        return True
    return False

with open(sys.argv[2], encoding="utf-8") as file:
    vectors = json.load(file)
json.dump({
    "maxFrameBytes": MAX_FRAME_BYTES,
    "refusesTooLarge": refuses_too_large(),
    "decoded": [one_verdict(bytes.fromhex(v["hex"])) for v in vectors["valid"] + vectors["invalid"]],
    "encoded": [encode(v["frames"]) for v in vectors["valid"] if v["canonical"]],
}, sys.stdout)
`;

async function runPython() {
  const child = spawn(python!, ['-c', program, modules, fileURLToPath(vectorsFile)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const [code] = await once(child, 'close');
  expect(code).toBe(0);
  return JSON.parse(output);
}

describe.skipIf(!python)('frames.py', () => {
  it('reads and writes what codec.ts reads and writes', async () => {
    const result = await runPython();
    expect(result.maxFrameBytes).toBe(vectors.maxFrameBytes);
    expect(result.refusesTooLarge).toBe(true);
    expect(result.decoded).toEqual([
      ...vectors.valid.map(({ frames }) => ({ frames })),
      ...vectors.invalid.map(({ before, fault }) => ({ frames: before, fault })),
    ]);
    expect(result.encoded).toEqual(
      vectors.valid.filter(({ canonical }) => canonical).map(({ hex }) => hex),
    );
  });
});
