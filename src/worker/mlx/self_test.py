"""Whether MLX computes on this machine: ``python self_test.py``, the last step of ``hearth mlx setup``.

A model with quantised random weights goes the way of every other one: written as a folder, loaded, asked for a few
tokens, and for a few under a grammar, side by side.

Exits: 0 · 1, with what is wrong as the last line of stderr.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

WIDTH: Final = 64
VOCABULARY: Final = 320
END: Final = "<|end|>"
GRAMMAR: Final = 'root ::= "[" [0-9]+ ("," [0-9]+)? "]"\n'
EXPECTED: Final = re.compile(r"\[[0-9]+(,[0-9]+)?\]")
STEPS_MAX: Final = 500
CONFIG: Final[dict[str, Any]] = {
    "model_type": "llama",
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": WIDTH // 2,
    "rms_norm_eps": 1e-6,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 256,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
}


def main() -> int:
    try:
        with tempfile.TemporaryDirectory(prefix="hearth-mlx-") as name:
            folder = Path(name)
            _check_quantised_product()
            _write_model(folder)
            _check_answers(folder)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _check_quantised_product() -> None:
    import mlx.core as mx

    weights, x = mx.random.normal((WIDTH, WIDTH)), mx.random.normal((4, WIDTH))
    packed, scales, biases = mx.quantize(weights, group_size=32, bits=8)
    product = mx.quantized_matmul(x, packed, scales, biases, group_size=32, bits=8)
    expected = x @ mx.dequantize(packed, scales, biases, group_size=32, bits=8).T
    difference = mx.abs(product - expected).max().item()
    if not difference < 1e-2:
        raise RuntimeError(f"a quantised product is off by {difference}")


def _write_model(folder: Path) -> None:
    import mlx.core as mx
    import mlx.nn as nn
    from mlx.utils import tree_flatten
    from mlx_lm.models import llama
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={character: at for at, character in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END, special=True)])
    tokenizer.save(str(folder / "tokenizer.json"))

    mx.random.seed(1)
    network = llama.Model(llama.ModelArgs.from_dict(CONFIG))
    network.set_dtype(mx.float32)
    nn.quantize(network, 32, 4)
    quantization = {"group_size": 32, "bits": 4, "mode": "affine"}
    config = {**CONFIG, "eos_token_id": tokenizer.token_to_id(END), "quantization": quantization}
    weights = dict(tree_flatten(network.parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config))
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END}
    (folder / "tokenizer_config.json").write_text(json.dumps(names))


def _check_answers(folder: Path) -> None:
    from hearth_mlx.engine import GenerateJob, Grammar, LoadSpec, Sampling, Text
    from hearth_mlx.loader import Loader
    from hearth_mlx.loop import MlxEngine

    sink = _Sink()
    engine = MlxEngine(sink, Loader())
    engine.load(LoadSpec(path=str(folder), context_tokens=128, slots=2, threads=1, gpu="auto"))
    sampling = Sampling(1.0, 1.0, 0, 0.0, 0.0, 0.0, 1.0, 7, (), ignore_eos=False)
    grammar = Grammar(hash="0" * 64, text=GRAMMAR)
    for call, held in ((1, None), (2, grammar)):
        engine.generate(GenerateJob(call, "self-test", Text("One, two"), sampling, 64, (), held, False, 64))
    for _ in range(STEPS_MAX):
        if not engine.step():
            break
    engine.close()
    if sink.ended != {1, 2}:
        raise RuntimeError(f"only {sorted(sink.ended)} of two answers ended")
    if sink.reasons[2] == "stop" and not EXPECTED.fullmatch(sink.texts[2]):
        raise RuntimeError(f"the grammar does not hold: {sink.texts[2]!r}")


class _Sink:
    def __init__(self) -> None:
        self.texts: dict[int, str] = {1: "", 2: ""}
        self.reasons: dict[int, str] = {}

    @property
    def ended(self) -> set[int]:
        return set(self.reasons)

    def load_progress(self, fraction: float) -> None: ...

    def accepted(self, call: int, **_: Any) -> None: ...

    def tokens(self, sequences: Sequence[Any]) -> None:
        for one in sequences:
            self.texts[one.call] += one.text

    def finished(self, end: Any) -> None:
        self.reasons[end.call] = end.reason

    def failed(self, call: int, error: Exception) -> None:
        raise RuntimeError(f"answer {call} failed: {error}")

    def log(self, level: str, message: str, fields: Any = None) -> None: ...


if __name__ == "__main__":
    sys.exit(main())
