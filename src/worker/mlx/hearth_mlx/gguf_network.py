"""Configs and names of tensors: from GGUF to those of mlx-lm. Pure.

    llama    llama.cpp keeps the rows of queries and keys in another order, because it turns pairs of neighbours
             where Hugging Face turns the two halves of a head
    qwen3    the same layout under other names, with norms of queries and keys

Errors: ``LoadError`` that names the key or the tensor: whatever is not known here could change what the model says.
Source: llama.cpp ``convert_hf_to_gguf.py`` (``LlamaModel.permute``) and ``llama-arch.cpp``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .engine import LoadError
from .gguf_header import GgufHeader

_ARCHITECTURES: Final = ("llama", "qwen3")
_NAMES: Final = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_LAYER_NAMES: Final = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_LAYER: Final = re.compile(r"blk\.(\d+)\.([a-z_]+)\.(\w+)")
_WHOLE: Final = re.compile(r"([a-z_]+)\.(\w+)")
# Keys of an architecture that are read below, or that say nothing about the arithmetic.
_READ: Final = frozenset(
    (
        *("context_length", "embedding_length", "block_count", "feed_forward_length", "vocab_size"),
        *("attention.head_count", "attention.head_count_kv", "attention.layer_norm_rms_epsilon"),
        *("attention.key_length", "attention.value_length", "rope.dimension_count", "rope.freq_base"),
    )
)
# What these must be for the arithmetic to be the usual one.
_NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "rope.scaling.type": ("none",),
    "rope.scaling.factor": (0.0, 1.0),
    "expert_count": (0,),
    "expert_used_count": (0,),
    "attention.causal": (True,),
    "attention.layer_norm_epsilon": (),
}


@dataclass(frozen=True, slots=True)
class GgufConfig:
    # As in a ``config.json``.
    config: dict[str, Any]
    # Heads of queries and of keys whose rows stand in llama.cpp's order; None where they do not.
    permuted: tuple[int, int] | None


def read_gguf_config(header: GgufHeader) -> GgufConfig:
    metadata, tensors = header.metadata, header.tensors
    architecture = metadata.get("general.architecture")
    if architecture not in _ARCHITECTURES:
        raise LoadError(
            f"general.architecture is {architecture!r}, and of GGUF files MLX gets {' and '.join(_ARCHITECTURES)}; "
            "use the llama-cpp backend for this file, or take the model as a folder"
        )
    prefix = f"{architecture}."
    own = {key.removeprefix(prefix): value for key, value in metadata.items() if key.startswith(prefix)}
    for key, value in own.items():
        if key not in _READ and value not in _NEUTRAL.get(key, ()):
            raise LoadError(
                f"{prefix}{key} is {value!r:.80}, which MLX would not do as llama.cpp does; "
                "use the llama-cpp backend for this file"
            )
    count = _Counts(prefix, own)
    hidden, heads = count.of("embedding_length"), count.of("attention.head_count")
    kv_heads = count.of("attention.head_count_kv", heads)
    head = count.of("attention.key_length", hidden // heads)
    for key in ("attention.value_length", "rope.dimension_count"):
        if (length := count.of(key, head)) != head:
            raise LoadError(f"{prefix}{key} is {length}, the heads have {head}; use the llama-cpp backend")
    embedding = tensors.get("token_embd.weight")
    if embedding is None:
        raise LoadError("the file has no token_embd.weight; download it again")
    layers = count.of("block_count")
    if layers > len(tensors):
        raise LoadError(f"{prefix}block_count is {layers}, and the file holds {len(tensors)} tensors in all")
    config = {
        "model_type": architecture,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "intermediate_size": count.of("feed_forward_length"),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head,
        "rms_norm_eps": _number(prefix, own, "attention.layer_norm_rms_epsilon", None),
        "rope_theta": _number(prefix, own, "rope.freq_base", 10000.0),
        "vocab_size": embedding.shape[0],
        "max_position_embeddings": count.of("context_length"),
        "tie_word_embeddings": "output.weight" not in tensors,
        "attention_bias": "blk.0.attn_q.bias" in tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in tensors,
    }
    return GgufConfig(config, (heads, kv_heads) if architecture == "llama" else None)


def hub_name(name: str) -> str:
    """``blk.3.attn_q.weight`` is ``model.layers.3.self_attn.q_proj.weight``."""
    if (layer := _LAYER.fullmatch(name)) is not None and layer[2] in _LAYER_NAMES:
        return f"model.layers.{layer[1]}.{_LAYER_NAMES[layer[2]]}.{layer[3]}"
    if (whole := _WHOLE.fullmatch(name)) is not None and whole[1] in _NAMES:
        return f"{_NAMES[whole[1]]}.{whole[2]}"
    raise LoadError(
        f"the file has a tensor {name}, which MLX would leave out; use the llama-cpp backend for this file, "
        "or take the model as a folder"
    )


class _Counts:
    def __init__(self, prefix: str, own: Mapping[str, Any]) -> None:
        self._prefix = prefix
        self._own = own

    def of(self, key: str, default: int | None = None) -> int:
        value = self._own.get(key, default)
        if type(value) is not int or value <= 0:
            raise LoadError(f"{self._prefix}{key} is {value!r:.80}, it should be one number above 0; convert it again")
        return value


def _number(prefix: str, own: Mapping[str, Any], key: str, default: float | None) -> float:
    value = own.get(key, default)
    if type(value) not in (int, float):
        raise LoadError(f"{prefix}{key} is {value!r:.80}, it should be a number; convert the file again")
    return float(value)
