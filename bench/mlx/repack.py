"""A GGUF file as a folder of float32 safetensors: ``python repack.py FILE FOLDER``.

The same numbers, unpacked. On a CPU quantised products are slow (section 1.2 of the MLX worker's design), and
``mlx_lm.server`` reads folders only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import mlx.core as mx
import place  # noqa: F401
from mlx.utils import tree_flatten
from mlx_lm.utils import dequantize_model

from hearth_mlx.gguf import open_gguf


def repack(file: Path, folder: Path) -> None:
    opened = open_gguf(file, chip=None)
    network = dequantize_model(opened.read(lambda _: None))
    network.set_dtype(mx.float32)
    folder.mkdir(parents=True)
    weights: Any = dict(tree_flatten(network.parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    source = opened.source
    (folder / "tokenizer.json").write_text(source.json, encoding="utf-8")
    _write(folder / "config.json", {**opened.text_config, "eos_token_id": sorted(source.ends)})
    names = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": source.bos_text,
        "eos_token": source.eos_text,
        "add_bos_token": source.bos is not None,
        "chat_template": source.template,
    }
    _write(folder / "tokenizer_config.json", names)


def _write(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: repack.py FILE FOLDER")
    repack(Path(sys.argv[1]), Path(sys.argv[2]))
