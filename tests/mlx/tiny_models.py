"""Makes tiny models with random weights: whole folders, as a hub would hold them.

    python tiny_models.py KIND FOLDER        KIND: llama, qwen3, qwen3_5, gemma3, gpt_oss, each also as KIND-4bit

Each has a byte-level BPE of its own, trained on the text below, and a chat template. The logits are wider than the
vocabulary, as they are in real models. The same call makes the same bytes.

    llama     every layer keeps all tokens
    qwen3     the same, with norms of queries and keys
    qwen3_5   hybrid: three layers with a recurrent state, then one that keeps all tokens
    gemma3    two layers with a window of 16 tokens, then one that keeps all
    gpt_oss   windows and full attention in turn, with sinks; experts

Shapes: float32; the 4-bit ones are affine, groups of 64, with float32 scales (16-bit ones are slow on a CPU).
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

LOGITS_WIDTH: Final = 512
CONTEXT_TOKENS: Final = 2048
_TRAINED_TOKENS: Final = 480

CHAT_TEMPLATE: Final = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}
{%- for call in message.tool_calls or [] %}
<tool_call>
{{ {"name": call.function.name, "arguments": call.function.arguments} | tojson }}
</tool_call>
{%- endfor -%}
<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}
"""

_LINES: Final = (
    "The quick brown fox jumps over the lazy dog, and the dog does not mind.",
    "A server answers many people at the same time; none of them should have to wait for the others.",
    '{"name": "get_weather", "arguments": {"city": "Paris", "unit": "celsius"}}',
    '{"title": "The art of waiting", "pages": 312, "tags": ["queues", "limits"], "inStock": true}',
    "def add(first: int, second: int) -> int:\n    return first + second\n",
    "for (const token of tokens) { total += token.length; }",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "Le cœur déçu mais l'âme plutôt naïve, Louÿs rêva de crapaüter en canoë.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "いろはにほへと ちりぬるを 我が世誰ぞ 常ならむ",
    "1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987",
    "What is the capital of France? The capital of France is Paris.",
)

_COMMON: Final[dict[str, Any]] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "rms_norm_eps": 1e-6,
    "vocab_size": LOGITS_WIDTH,
    "max_position_embeddings": CONTEXT_TOKENS,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
}

_CONFIGS: Final[dict[str, dict[str, Any]]] = {
    "llama": {"model_type": "llama"},
    "qwen3": {"model_type": "qwen3"},
    "qwen3_5": {
        "model_type": "qwen3_5",
        "text_config": {
            **_COMMON,
            "model_type": "qwen3_5_text",
            "num_hidden_layers": 4,
            "full_attention_interval": 4,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "linear_key_head_dim": 32,
            "linear_value_head_dim": 32,
            "linear_conv_kernel_dim": 4,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
        },
    },
    "gemma3": {
        "model_type": "gemma3_text",
        "num_hidden_layers": 3,
        "sliding_window": 16,
        "sliding_window_pattern": 3,
        "query_pre_attn_scalar": 32,
    },
    "gpt_oss": {
        "model_type": "gpt_oss",
        "num_hidden_layers": 4,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": 16,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    },
}
KINDS: Final = tuple(_CONFIGS)


def make_model(kind: str, folder: Path) -> Path:
    """Writes a model of this kind; returns the folder."""
    name, _, suffix = kind.partition("-")
    if name not in _CONFIGS or suffix not in ("", "4bit"):
        raise SystemExit(f"{kind!r} is no kind of tiny model; there are {', '.join(KINDS)}, each also with -4bit")
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer()
    end = tokenizer.token_to_id("<|im_end|>")
    config = {**_COMMON, **_CONFIGS[name], "eos_token_id": end}
    network = make_network(config, seed=KINDS.index(name) + 1)
    if suffix:
        # mlx-lm expects the router of experts as it is.
        nn.quantize(network, 64, 4, class_predicate=lambda path, part: _can_pack(path, part))
        config["quantization"] = config["quantization_config"] = {"group_size": 64, "bits": 4, "mode": "affine"}
    mx.save_safetensors(
        str(folder / "model.safetensors"), dict(tree_flatten(network.parameters())), metadata={"format": "mlx"}
    )
    write_json(folder / "config.json", config)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<|endoftext|>",
            "eos_token": "<|im_end|>",
            "add_bos_token": False,
            "model_max_length": CONTEXT_TOKENS,
            "chat_template": CHAT_TEMPLATE,
        },
    )
    return folder


def make_network(config: dict[str, Any], *, seed: int) -> nn.Module:
    module = import_module(f"mlx_lm.models.{config['model_type']}")
    mx.random.seed(seed)
    # A copy: some models write into the config that they are given.
    network: nn.Module = module.Model(module.ModelArgs.from_dict(json.loads(json.dumps(config))))
    network.set_dtype(mx.float32)
    return network


def make_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_TRAINED_TOKENS,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_LINES * 4, trainer)
    marks = ("<think>", "</think>", "<tool_call>", "</tool_call>")
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in marks])
    return tokenizer


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _can_pack(path: str, part: nn.Module) -> bool:
    weight = part.get("weight")
    return hasattr(part, "to_quantized") and weight.shape[-1] % 64 == 0 and not path.endswith(".router")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: tiny_models.py KIND FOLDER")
    make_model(sys.argv[1], Path(sys.argv[2]))
