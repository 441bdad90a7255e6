"""Whether other engines say the same: `python -m recipe.compare --f16-url … --q8-url … --f16 FILE.gguf`.

Asks two Hearth servers (the F16 and the Q8_0 file), transformers and mlx-lm for the greedy answers to the
same prompts, by token ids. The folder of the latter two is derived from the F16 GGUF. Needs
torch.txt, transformers 5.23.0, mlx[cpu] 0.32.0 and mlx-lm 0.32.2 beside the recipe's packages.

Units   shares in percent. Exit 1 where F16 differs anywhere or Q8_0 in more than 2 %.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import mix
from .derive import derive
from .evaluate import Server, read_tokenizer
from .template import END, prompt_of

_SEED = 77
_MAX_TOKENS = 200
_Q8_SHARE = 98.0
# What is asked: everything but text that only stands under a grammar, and long rows.
_LEFT_OUT = ("forced JSON", "needle", "many turns", "tool chain")


def prompts(count: int) -> list[str]:
    rng = random.Random(_SEED)
    found: dict[str, None] = {}
    while len(found) < count:
        one = mix.draw(rng)
        if one.skill not in _LEFT_OUT:
            found[prompt_of(one)] = None
    return list(found)


def ask_transformers(folder: Path) -> Callable[[list[int]], list[int]]:
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    def ask(ids: list[int]) -> list[int]:
        with torch.no_grad():
            out = model.generate(
                torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), do_sample=False, max_new_tokens=_MAX_TOKENS
            )
        return [int(token) for token in out[0][len(ids) :]]

    return ask


def ask_mlx(folder: Path) -> Callable[[list[int]], list[int]]:
    import mlx.core as mx
    from mlx_lm import load
    from mlx_lm.generate import generate_step

    model, tokenizer = load(str(folder))[:2]
    model.set_dtype(mx.float32)
    end = tokenizer.convert_tokens_to_ids(END)

    def ask(ids: list[int]) -> list[int]:
        answer: list[int] = []
        for token, _ in generate_step(mx.array(ids), model, max_tokens=_MAX_TOKENS):
            answer.append(int(token))
            if answer[-1] == end:
                break
        return answer

    return ask


def main() -> None:
    options = _options()
    tokenizer = read_tokenizer(options.f16)
    asked = prompts(options.count)
    rows = [tokenizer.encode(prompt, add_special_tokens=False).ids for prompt in asked]
    answers: dict[str, list[str]] = {}
    for name, url in (("Hearth, F16", options.f16_url), ("Hearth, Q8_0", options.q8_url)):
        server = Server(url, options.name, tokenizer)
        answers[name] = [answer.text for answer in server.ask_all(asked, max_tokens=_MAX_TOKENS)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        derive(options.f16, folder)
        for engine, make in (("transformers", ask_transformers), ("mlx-lm", ask_mlx)):
            ask = make(folder)
            answers[engine] = [_text(tokenizer, ask(ids)) for ids in rows]
    base = answers["Hearth, F16"]
    failed = False
    for name, texts in answers.items():
        parted = [index for index, text in enumerate(texts) if text != base[index]]
        share = 100 * (1 - len(parted) / len(texts))
        print(f"{name}: {len(texts) - len(parted)} of {len(texts)} answers as Hearth gives them with F16")
        for index in parted[:5]:
            print(f"  {asked[index][-80:]!r}: {texts[index]!r} and not {base[index]!r}")
        failed |= share < (_Q8_SHARE if name.endswith("Q8_0") else 100)
    sys.exit(1 if failed else 0)


def _text(tokenizer: Any, ids: list[int]) -> str:
    end = tokenizer.token_to_id(END)
    kept = ids[: ids.index(end)] if end in ids else ids
    text: str = tokenizer.decode(kept, skip_special_tokens=False)
    return text


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="recipe.compare", description=__doc__.splitlines()[0])
    parser.add_argument("--f16-url", required=True, help="a server of the F16 file, without /v1")
    parser.add_argument("--q8-url", required=True, help="a server of the Q8_0 file, without /v1")
    parser.add_argument("--f16", type=Path, required=True, help="the F16 GGUF")
    parser.add_argument("--name", default="ember", help="the model's name on both servers")
    parser.add_argument("--count", type=int, default=300)
    return parser.parse_args()


if __name__ == "__main__":
    main()
