"""Makes the folder that transformers and mlx-lm load, out of a GGUF file of Ember alone.

`python -m recipe.derive --from ember-Q8_0.gguf --to FOLDER`: config.json, model.safetensors in F16,
tokenizer.json and tokenizer_config.json. What stands in no GGUF (the pre-tokeniser's rules) is what
`tokenizer_pre = smollm` means.

Errors  SystemExit with one line where the file is none of Ember's kind.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from . import tokenizer
from .template import END, END_OF_TEXT

Array = NDArray[np.float32]


def separate(matrix: Array, heads: int) -> Array:
    """Undoes `export.interleave`."""
    rows, columns = matrix.shape
    return matrix.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def derive(source: Path, folder: Path) -> None:
    reader = gguf.GGUFReader(source)

    def field(name: str) -> Any:
        found = reader.get_field(name)
        if found is None:
            sys.exit(f"{source} has no {name}: it is no GGUF of Ember")
        return found.contents()

    if field("general.architecture") != "llama" or field("tokenizer.ggml.pre") != "smollm":
        sys.exit(f"{source} is no GGUF of Ember: its architecture or tokeniser is another")
    heads, kv_heads = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    layers = field("llama.block_count")
    arrays = {
        tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        for tensor in reader.tensors
    }
    names = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    parts = {
        "attn_norm": "input_layernorm",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_norm": "post_attention_layernorm",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
    for index in range(layers):
        for ours, theirs in parts.items():
            names[f"blk.{index}.{ours}.weight"] = f"model.layers.{index}.{theirs}.weight"
        for part, count in (("attn_q", heads), ("attn_k", kv_heads)):
            name = f"blk.{index}.{part}.weight"
            arrays[name] = separate(arrays[name], count)

    folder.mkdir(parents=True, exist_ok=True)
    halves = {names[name]: np.ascontiguousarray(array.astype(np.float16)) for name, array in arrays.items()}
    save_file(halves, folder / "model.safetensors", metadata={"format": "pt"})
    vocabulary = field("tokenizer.ggml.tokens")
    end = vocabulary.index(END)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": field("llama.embedding_length"),
        "intermediate_size": field("llama.feed_forward_length"),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": field("llama.rope.dimension_count"),
        "max_position_embeddings": field("llama.context_length"),
        "rms_norm_eps": field("llama.attention.layer_norm_rms_epsilon"),
        "rope_theta": field("llama.rope.freq_base"),
        "vocab_size": len(vocabulary),
        "tie_word_embeddings": True,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": None,
        "eos_token_id": end,
        "torch_dtype": "float16",
    }
    _write_json(folder / "config.json", config)
    merges = [tuple(merge.split(" ")) for merge in field("tokenizer.ggml.merges")]
    tokenizer.build(merges).save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": END_OF_TEXT,
        "model_max_length": config["max_position_embeddings"],
        "clean_up_tokenization_spaces": False,
        "chat_template": field("tokenizer.chat_template"),
    }
    _write_json(folder / "tokenizer_config.json", settings)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="recipe.derive", description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="source", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    options = parser.parse_args()
    derive(options.source, options.to)


if __name__ == "__main__":
    main()
