"""mlx-lm's ``BatchGenerator`` in a loop and nothing around it: what the worker is held against.

    python bare.py MODEL        a line of JSON in, a line of JSON out, until stdin ends

    {"prompts": [[id, …], …], "maxTokens": n, "seeds": [n, …], "repeatPenalty": n, …} ──▶ {"firstMs": [ms, …], "ms": ms}

``seeds`` null: the plain loop, which takes the likeliest token, with no sampler and no processor. Else the worker's
own, one chain for each row. Every row gets all its tokens: nothing ends an answer.

Units:  ms from the insertion: of each row's first token, and of the last token of all.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import place  # noqa: F401

from hearth_mlx.environment import prepare_environment

prepare_environment()

import mlx.core as mx  # noqa: E402
from mlx_lm.generate import BatchGenerator, StopSequences  # noqa: E402

from hearth_mlx.chain import RowChain  # noqa: E402
from hearth_mlx.engine import LoadSpec, Sampling  # noqa: E402
from hearth_mlx.loader import Loader  # noqa: E402
from hearth_mlx.model import LoadedModel  # noqa: E402


def main(path: str) -> None:
    spec = LoadSpec(path=path, context_tokens=2048, slots=8, threads=1, gpu="auto")
    model, _ = Loader().load(spec, lambda _: None)
    print("{}", flush=True)
    for line in sys.stdin:
        print(json.dumps(_run(model, json.loads(line))), flush=True)


def _run(model: LoadedModel, asked: dict[str, Any]) -> dict[str, Any]:
    prompts, limit = asked["prompts"], asked["maxTokens"]
    generator: Any = BatchGenerator(model.network)
    mx.set_wired_limit(0)
    chains: dict[str, Any] = {}
    if asked["seeds"] is not None:
        rows = [
            RowChain(_sampling(asked, seed), prompt_tokens=len(prompt), vocabulary=model.vocabulary, constraint=None)
            for prompt, seed in zip(prompts, asked["seeds"], strict=True)
        ]
        chains = {"samplers": [row.sample for row in rows], "logits_processors": [[row.process] for row in rows]}
    started = time.perf_counter()
    uids = generator.insert(
        prompts, [limit] * len(prompts), stop_sequences=[StopSequences() for _ in prompts], **chains
    )
    first: dict[int, float] = {}
    going = len(prompts)
    while going > 0:
        _, responses = generator.next()
        now = (time.perf_counter() - started) * 1000
        for one in responses:
            first.setdefault(one.uid, now)
            going -= one.finish_reason is not None
    ms = (time.perf_counter() - started) * 1000
    generator.close()
    mx.set_wired_limit(0)
    mx.clear_cache()
    return {"firstMs": [first[uid] for uid in uids], "ms": ms}


def _sampling(asked: dict[str, Any], seed: int) -> Sampling:
    return Sampling(
        temperature=asked["temperature"],
        top_p=asked["topP"],
        top_k=asked["topK"],
        min_p=asked["minP"],
        frequency_penalty=0.0,
        presence_penalty=0.0,
        repeat_penalty=asked["repeatPenalty"],
        seed=seed,
        logit_bias=(),
        ignore_eos=True,
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: bare.py MODEL")
    main(sys.argv[1])
