"""Writes small GGUF files, whole or with something wrong in them. Source: GGUF specification, "File structure".

python gguf_writer.py PRE FILE        the tiny llama of ``tiny_models.py`` in float16, with these rules for words
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten

import tiny_models

TYPES: Final = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 8, "Q6_K": 14}
HEADS: Final = (4, 2)
_ALIGNMENT: Final = 32
_ABBREVIATIONS: Final = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write_gguf(path: Path, metadata: Mapping[str, Any], tensors: Mapping[str, tuple[str, Any]]) -> Path:
    """``tensors``: name to type and numbers, which are packed here."""
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        head += _string(key) + _value(value)
    data = b""
    for name, (kind, numbers) in tensors.items():
        head += _string(name) + struct.pack("<I", numbers.ndim)
        head += struct.pack(f"<{numbers.ndim}Q", *numbers.shape[::-1]) + struct.pack("<IQ", TYPES[kind], len(data))
        data += _pad(_pack(kind, numbers))
    path.write_bytes(_pad(head) + data)
    return path


def tiny_llama(kind: str, *, pre: str = "gpt-2") -> tuple[dict[str, Any], dict[str, tuple[str, Any]]]:
    """Metadata and tensors of a tiny model: its matrices of this type, its vectors in float32."""
    config = {**tiny_models._COMMON, **tiny_models._CONFIGS["llama"]}
    network = tiny_models.make_network(config, seed=1)
    tensors = {}
    for name, array in tree_flatten(network.parameters()):
        numbers = np.array(array)
        if name.endswith("q_proj.weight"):
            numbers = to_neighbours(numbers, HEADS[0])
        if name.endswith("k_proj.weight"):
            numbers = to_neighbours(numbers, HEADS[1])
        tensors[_short(name)] = (kind if numbers.ndim == 2 else "F32", numbers)
    return {**_metadata(), **_words(pre)}, tensors


def to_neighbours(rows: Any, heads: int) -> Any:
    """As ``LlamaModel.permute`` of llama.cpp."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def _metadata() -> dict[str, Any]:
    return {
        "general.architecture": "llama",
        "llama.context_length": tiny_models.CONTEXT_TOKENS,
        "llama.embedding_length": 128,
        "llama.block_count": 2,
        "llama.feed_forward_length": 256,
        "llama.attention.head_count": HEADS[0],
        "llama.attention.head_count_kv": HEADS[1],
        "llama.attention.layer_norm_rms_epsilon": 1e-6,
        "llama.rope.freq_base": 10000.0,
        "llama.rope.dimension_count": 32,
        "llama.vocab_size": tiny_models.LOGITS_WIDTH,
    }


def _words(pre: str) -> dict[str, Any]:
    tokenizer = json.loads(tiny_models.make_tokenizer().to_str())
    texts = {token: text for text, token in tokenizer["model"]["vocab"].items()}
    added = {entry["id"]: entry for entry in tokenizer["added_tokens"]}
    texts.update({token: entry["content"] for token, entry in added.items()})
    width = tiny_models.LOGITS_WIDTH
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": [texts.get(token, f"[PAD{token}]") for token in range(width)],
        "tokenizer.ggml.token_type": [_type_of(token, texts, added) for token in range(width)],
        "tokenizer.ggml.merges": [" ".join(merge) for merge in tokenizer["model"]["merges"]],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": tiny_models.CHAT_TEMPLATE,
    }


def _type_of(token: int, texts: Mapping[int, str], added: Mapping[int, Any]) -> int:
    """5 is unused: llama.cpp's converter pads with it."""
    if token not in texts:
        return 5
    if token not in added:
        return 1
    return 3 if added[token]["special"] else 4


def _short(name: str) -> str:
    stem, _, last = name.rpartition(".")
    if stem.startswith("model.layers."):
        _, _, number, part = stem.split(".", 3)
        return f"blk.{number}.{_ABBREVIATIONS[part]}.{last}"
    return f"{_ABBREVIATIONS[stem]}.{last}"


def _pack(kind: str, numbers: Any) -> bytes:
    if kind == "F32":
        return bytes(numbers.astype("<f4").tobytes())
    if kind == "F16":
        return bytes(numbers.astype("<f2").tobytes())
    blocks = numbers.astype("<f4").reshape(-1, 32)
    if kind == "Q8_0":
        scale = (np.abs(blocks).max(1) / 127).astype("<f2")
        quants = np.round(blocks / scale[:, None].astype("<f4")).astype("i1")
        return b"".join(one.tobytes() + row.tobytes() for one, row in zip(scale, quants, strict=True))
    assert kind == "Q4_0"
    scale = (np.abs(blocks).max(1) / 7).astype("<f2")
    quants = (np.clip(np.round(blocks / scale[:, None].astype("<f4")), -8, 7) + 8).astype("u1")
    packed = quants[:, :16] | (quants[:, 16:] << 4)
    return b"".join(one.tobytes() + row.tobytes() for one, row in zip(scale, packed, strict=True))


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    match value:
        case bool():
            return struct.pack("<IB", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + _string(value)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(_string(text) for text in value)
        case _:
            return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNMENT)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: gguf_writer.py PRE FILE")
    mx.set_default_device(mx.cpu)
    write_gguf(Path(sys.argv[2]), *tiny_llama("F16", pre=sys.argv[1]))
