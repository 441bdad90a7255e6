"""Tiny models with random weights, by what their layers remember."""

from __future__ import annotations

from functools import cache
from typing import Any

import mlx.core as mx
from mlx.utils import tree_map
from mlx_lm.models import deepseek_v3, falcon_h1, gemma3_text, gpt_oss, lfm2, llama, mamba2, qwen3, qwen3_5

SIZE = 128
WINDOW = 12
KINDS = ("llama", "qwen3", "gemma3", "qwen3_5")
MORE_KINDS = ("gpt_oss", "lfm2", "falcon_h1", "mamba2", "deepseek_v3")

_COMMON = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "rms_norm_eps": 1e-6,
    "vocab_size": SIZE,
    "max_position_embeddings": 4096,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
}
_ARCHITECTURES: dict[str, tuple[Any, dict[str, Any]]] = {
    "llama": (llama, {"num_hidden_layers": 2}),
    "qwen3": (qwen3, {"num_hidden_layers": 2}),
    # Windows.
    "gemma3": (
        gemma3_text,
        {
            "model_type": "gemma3_text",
            "num_hidden_layers": 4,
            "sliding_window": WINDOW,
            "sliding_window_pattern": 2,
            "query_pre_attn_scalar": 16,
        },
    ),
    # A window and attention sinks, experts.
    "gpt_oss": (
        gpt_oss,
        {"num_hidden_layers": 2, "sliding_window": WINDOW, "num_local_experts": 4, "num_experts_per_tok": 2},
    ),
    # Recurrent layers beside attention.
    "qwen3_5": (
        qwen3_5,
        {
            "num_hidden_layers": 4,
            "linear_num_value_heads": 4,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 16,
            "linear_value_head_dim": 16,
            "full_attention_interval": 2,
        },
    ),
    "lfm2": (
        lfm2,
        {
            "num_hidden_layers": 3,
            "norm_eps": 1e-6,
            "conv_bias": False,
            "conv_L_cache": 3,
            "block_dim": 64,
            "block_ff_dim": 96,
            "block_multiple_of": 8,
            "block_ffn_dim_multiplier": 1.0,
            "block_auto_adjust_ff_dim": False,
            "layer_types": ["conv", "full_attention", "conv"],
        },
    ),
    # Both in one layer.
    "falcon_h1": (
        falcon_h1,
        {
            "num_hidden_layers": 2,
            "mamba_d_head": 16,
            "mamba_d_ssm": 64,
            "mamba_d_state": 16,
            "mamba_n_heads": 4,
            "lm_head_multiplier": 1.0,
        },
    ),
    # Nothing but recurrent layers.
    "mamba2": (
        mamba2,
        {
            "num_hidden_layers": 2,
            "num_heads": 4,
            "head_dim": 32,
            "state_size": 16,
            "layer_norm_epsilon": 1e-6,
            "conv_kernel": 4,
            "n_groups": 1,
            "use_bias": False,
            "use_conv_bias": True,
            "time_step_limit": [0.0, 100.0],
            "time_step_rank": "auto",
        },
    ),
    # Keys and values of different sizes.
    "deepseek_v3": (
        deepseek_v3,
        {
            "num_hidden_layers": 2,
            "num_key_value_heads": 4,
            "kv_lora_rank": 16,
            "q_lora_rank": 32,
            "qk_rope_head_dim": 8,
            "v_head_dim": 16,
            "qk_nope_head_dim": 16,
            "first_k_dense_replace": 8,
            "n_routed_experts": None,
        },
    ),
}


@cache
def network(kind: str) -> Any:
    """Random weights, float32. The output layer is loud, so that the tokens of an answer differ."""
    mx.random.seed(7)
    module, args = _ARCHITECTURES[kind]
    model: Any = module.Model(module.ModelArgs.from_dict({**_COMMON, "model_type": kind, **args}))
    model.set_dtype(mx.float32)
    model.update(tree_map(lambda weights: weights * 3 if weights.ndim == 2 else weights, model.parameters()))
    mx.eval(model.parameters())
    return model
