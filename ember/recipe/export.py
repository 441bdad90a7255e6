"""Writes the trained weights as GGUF: `python -m recipe.export --run FOLDER --to FILE.gguf`.

Shapes  matrices as in llama.cpp's `llama`: (out, in). Query and key rows are reordered, because
        llama.cpp rotates neighbours where the net rotates halves.
Errors  SystemExit with one line where the run has no weights.
Source  GGUF specification, version 3; Q8_0: blocks of 32 values with one F16 scale.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from . import net
from .skills.server import FACTS_FILE
from .template import END, END_OF_TEXT, MARKS
from .tokenizer import CONTROL, VOCABULARY

NAME = "Ember"
DESCRIPTION = (
    "A tiny demo model: repeats and remembers text, small sums, capitals, tool calls, simple JSON, help on Hearth."
)
TEMPLATE_FILE = Path(__file__).parents[1] / "chat_template.jinja"
FACTS_KEY = "hearth.ember.facts_sha256"
_LICENSE = "apache-2.0"

Array = NDArray[np.float32]


def interleave(matrix: Array, heads: int) -> Array:
    """Rows of halves (x0 … x31, y0 … y31) become rows of neighbours (x0, y0, x1, y1 …), head by head."""
    rows, columns = matrix.shape
    return matrix.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def tensors(weights: dict[str, torch.Tensor]) -> dict[str, Array]:
    """llama.cpp's names to arrays; the padding of the vocabulary is cut."""
    array = {name: value.float().numpy() for name, value in weights.items()}
    found = {
        "token_embd.weight": array["embedding.weight"][:VOCABULARY],
        "output_norm.weight": array["final_norm"],
    }
    for index in range(net.LAYERS):
        ours, theirs = f"layers.{index}", f"blk.{index}"
        found |= {
            f"{theirs}.attn_norm.weight": array[f"{ours}.attention_norm"],
            f"{theirs}.attn_q.weight": interleave(array[f"{ours}.query.weight"], net.HEADS),
            f"{theirs}.attn_k.weight": interleave(array[f"{ours}.key.weight"], net.KV_HEADS),
            f"{theirs}.attn_v.weight": array[f"{ours}.value.weight"],
            f"{theirs}.attn_output.weight": array[f"{ours}.output.weight"],
            f"{theirs}.ffn_norm.weight": array[f"{ours}.mlp_norm"],
            f"{theirs}.ffn_gate.weight": array[f"{ours}.gate.weight"],
            f"{theirs}.ffn_up.weight": array[f"{ours}.up.weight"],
            f"{theirs}.ffn_down.weight": array[f"{ours}.down.weight"],
        }
    return found


def facts_hash() -> str:
    return hashlib.sha256(FACTS_FILE.read_bytes()).hexdigest()


def write(path: Path, arrays: dict[str, Array], tokens: Tokenizer, quantization: str) -> None:
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(NAME)
    writer.add_description(DESCRIPTION)
    writer.add_license(_LICENSE)
    writer.add_size_label("5M")
    writer.add_string(FACTS_KEY, facts_hash())
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if quantization == "Q8_0" else gguf.LlamaFileType.MOSTLY_F16)
    writer.add_vocab_size(VOCABULARY)
    writer.add_context_length(net.CONTEXT)
    writer.add_embedding_length(net.WIDTH)
    writer.add_block_count(net.LAYERS)
    writer.add_feed_forward_length(net.INNER)
    writer.add_head_count(net.HEADS)
    writer.add_head_count_kv(net.KV_HEADS)
    writer.add_rope_dimension_count(net.HEAD_WIDTH)
    writer.add_rope_freq_base(net.ROPE_BASE)
    writer.add_layer_norm_rms_eps(net.EPSILON)
    _write_tokenizer(writer, tokens)
    for name, array in arrays.items():
        if array.ndim == 1:
            writer.add_tensor(name, array)
        elif quantization == "Q8_0":
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, array.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_tokenizer(writer: gguf.GGUFWriter, tokens: Tokenizer) -> None:
    model = json.loads(tokens.to_str())["model"]
    texts = sorted(model["vocab"], key=model["vocab"].__getitem__)
    kinds = dict.fromkeys(CONTROL, gguf.TokenType.CONTROL)
    kinds |= dict.fromkeys(MARKS, gguf.TokenType.USER_DEFINED)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(texts)
    writer.add_token_types([kinds.get(text, gguf.TokenType.NORMAL) for text in texts])
    writer.add_token_merges([" ".join(merge) for merge in model["merges"]])
    writer.add_eos_token_id(model["vocab"][END])
    writer.add_eot_token_id(model["vocab"][END])
    writer.add_pad_token_id(model["vocab"][END_OF_TEXT])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE_FILE.read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="recipe.export", description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="the folder that recipe.train wrote")
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--quantization", choices=("Q8_0", "F16"), default="Q8_0")
    parser.add_argument("--from-checkpoint", action="store_true", help="of an unfinished run, to look at it")
    options = parser.parse_args()
    source = options.run / ("checkpoint.pt" if options.from_checkpoint else "weights.pt")
    if not source.exists():
        sys.exit(f"{source} is not there: run recipe.train to its end first")
    weights = torch.load(source, weights_only=True, map_location="cpu")
    tokens = Tokenizer.from_file(str(options.run / "tokenizer.json"))
    arrays = tensors(weights["net"] if options.from_checkpoint else weights)
    write(options.to, arrays, tokens, options.quantization)
    content = options.to.read_bytes()
    print(f"{options.to}: {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
