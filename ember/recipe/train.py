"""Trains Ember from random weights: `python -m recipe.train --out FOLDER`.

  fresh ──▶ step … step ──▶ checkpoint ──▶ … ──▶ weights.pt
                ▲                │
                └── run again ◀──┘ (stopped, killed: goes on from the last checkpoint)

The text is drawn anew for every row; a run with the same seed and steps reads the same rows.
Units   tokens include padding; times are seconds.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from . import tokenizer as tokens_of
from .batches import Batch, micro_batches
from .net import Net
from .optimizer import Optimizer

MATRIX_RATE = 0.02
OTHER_RATE = 0.004
WARM_UP_STEPS = 60
# The share of the steps at full rate; after it the rate falls in a line to zero.
FULL_RATE_SHARE = 0.2
MICRO_TOKENS = 2_048
MICROS_PER_STEP = 4
CHECKPOINT_STEPS = 100
# A graphics processor is fed larger pieces of the same step.
CUDA_MICRO_FACTOR = 8


def rate_at(step: int, steps: int) -> float:
    if step < WARM_UP_STEPS:
        return (step + 1) / WARM_UP_STEPS
    full = steps * FULL_RATE_SHARE
    return min(1.0, (steps - step) / (steps - full))


def main() -> None:
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(options.threads)
    tokenizer_file = options.out / "tokenizer.json"
    if not tokenizer_file.exists():
        print("training the tokeniser …", flush=True)
        tokens_of.train().save(str(tokenizer_file))
    tokenizer = Tokenizer.from_file(str(tokenizer_file))

    net = Net(options.seed).to(device)
    optimizer = Optimizer(net, MATRIX_RATE, OTHER_RATE)
    checkpoint = options.out / "checkpoint.pt"
    started_at, seen = 0, 0
    if checkpoint.exists():
        started_at, seen = _restore(checkpoint, net, optimizer, options)
        print(f"goes on at step {started_at} of {options.steps}", flush=True)
    body: Any = torch.compile(net, dynamic=True) if options.compile else net
    micro_tokens = MICRO_TOKENS * (CUDA_MICRO_FACTOR if device.type == "cuda" else 1)
    batches = itertools.islice(
        micro_batches(tokenizer, options.seed + 100, micro_tokens), started_at * MICROS_PER_STEP, None
    )

    pending = next(batches)
    begun, begun_tokens, losses = time.monotonic(), seen, []
    batches = itertools.chain([pending], batches)
    for step in range(started_at, options.steps):
        micros = list(itertools.islice(batches, MICROS_PER_STEP))
        losses.append(_step(body, net, micros, device))
        optimizer.step(rate_at(step, options.steps))
        seen += sum(micro.trained.numel() for micro in micros)
        done = step + 1
        if done % options.report == 0 or done == options.steps:
            passed = time.monotonic() - begun
            speed = (seen - begun_tokens) / passed
            left = passed / (done - started_at) * (options.steps - done)
            loss = sum(losses) / len(losses)
            losses = []
            print(
                f"step {done}/{options.steps} {done / options.steps:4.0%}  loss {loss:.3f}  "
                f"{seen / 1e6:.1f} M tokens, {speed:,.0f} a second, {left / 60:.0f} min left",
                flush=True,
            )
        if done % CHECKPOINT_STEPS == 0 and done < options.steps:
            _save(
                checkpoint, net, optimizer, {"step": done, "seen": seen, "steps": options.steps, "seed": options.seed}
            )
    _replace(options.out / "weights.pt", net.state_dict())
    print(f"wrote {options.out / 'weights.pt'}")


def _step(body: Any, net: Net, micros: list[Batch], device: torch.device) -> float:
    """One backward pass over all micro-batches; returns the mean loss of a trained token."""
    count = sum(int(micro.trained.sum()) for micro in micros)
    total = 0.0
    for micro in micros:
        tokens, trained = micro.tokens.to(device), micro.trained.to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            hidden = body(tokens[:, :-1])
            logits = net.logits(hidden[trained].bfloat16())
        loss = F.cross_entropy(logits.float(), tokens[:, 1:][trained], reduction="sum") / count
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    return total


def _save(path: Path, net: Net, optimizer: Optimizer, progress: dict[str, int]) -> None:
    _replace(path, {"net": net.state_dict(), "optimizer": optimizer.state(), **progress})


def _replace(path: Path, content: object) -> None:
    """Whole or not at all: a kill in the middle leaves the last one."""
    temporary = path.with_suffix(".tmp")
    torch.save(content, temporary)
    os.replace(temporary, path)


def _restore(path: Path, net: Net, optimizer: Optimizer, options: argparse.Namespace) -> tuple[int, int]:
    saved = torch.load(path, weights_only=True)
    if saved["seed"] != options.seed:
        sys.exit(f"{path} is of a run with --seed {saved['seed']}: use it, or remove the file to start anew")
    if saved["steps"] != options.steps:
        print(f"began with --steps {saved['steps']}: the rate follows the line to {options.steps} from here")
    net.load_state_dict(saved["net"])
    optimizer.restore(saved["optimizer"])
    return saved["step"], saved["seen"]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="recipe.train", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of tokeniser, checkpoint and weights")
    parser.add_argument("--steps", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--report", type=int, default=20, help="steps between two lines")
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    return parser.parse_args()


if __name__ == "__main__":
    main()
