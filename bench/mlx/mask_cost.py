"""What a grammar costs a row for each token: ``python mask_cost.py MODEL``, lines of JSON in and out.

    {"grammar": GBNF, "tokens": n} ──▶ {"ms": [ms, …]}

A token costs the mask, its way onto the logits, and the grammar's step over the token that was taken. Tokens are
drawn from what the mask allows, those that end the answer left out, the same ones each time.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time

import place  # noqa: F401

from hearth_mlx.environment import prepare_environment

prepare_environment()

import mlx.core as mx  # noqa: E402
import numpy as np  # noqa: E402

from hearth_mlx.engine import Grammar, LoadSpec  # noqa: E402
from hearth_mlx.loader import Loader  # noqa: E402
from hearth_mlx.model import Constraints, Vocabulary  # noqa: E402

_SEED = 1


def main(path: str) -> None:
    spec = LoadSpec(path=path, context_tokens=512, slots=1, threads=1, gpu="auto")
    model, _ = Loader().load(spec, lambda _: None)
    print("{}", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        ms = _measure(model.constraints, model.vocabulary, asked["grammar"], asked["tokens"])
        print(json.dumps({"ms": ms}), flush=True)


def _measure(constraints: Constraints, vocabulary: Vocabulary, text: str, tokens: int) -> list[float]:
    grammar = Grammar(hash=hashlib.sha256(text.encode()).hexdigest(), text=text)
    row = constraints.make(grammar)
    drawn = random.Random(_SEED)
    logits = mx.zeros((1, vocabulary.size))
    mx.eval(logits)
    ends = sorted(vocabulary.ends)
    ms: list[float] = []
    for _ in range(tokens):
        started = time.perf_counter()
        mask = row.mask()
        if mask is not None:
            mx.eval(mx.where(mx.array(mask)[None], logits, -mx.inf))
        masked = time.perf_counter() - started
        allowed = np.ones(vocabulary.size, dtype=np.bool_) if mask is None else mask.copy()
        allowed[ends] = False
        (ids,) = np.nonzero(allowed)
        if len(ids) == 0:
            break
        chosen = int(ids[drawn.randrange(len(ids))])
        started = time.perf_counter()
        row.settle(chosen)
        ms.append((masked + time.perf_counter() - started) * 1000)
    return ms


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: mask_cost.py MODEL")
    main(sys.argv[1])
