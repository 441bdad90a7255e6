"""The net: Llama's architecture at 5.24 M parameters, in plain PyTorch.

Shapes  tokens (rows, length) -> hidden states (rows, length, WIDTH). The embedding is also the head.
Source  Touvron et al., "LLaMA" (2023): RMSNorm, SwiGLU, rotary positions in half-split order; grouped
        queries as in Ainslie et al., "GQA" (2023).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAYERS = 6
WIDTH = 256
HEADS = 4
KV_HEADS = 2
HEAD_WIDTH = 64
INNER = 768
CONTEXT = 2048
ROPE_BASE = 10_000.0
EPSILON = 1e-5
# The vocabulary is padded for speed in training and cut at export.
PADDED_VOCABULARY = 2048

# On a CPU plain matmuls win on short rows, the fused kernel on long ones (5 times at 2,048).
_FUSED_FROM = 224


def rope_table(length: int) -> tuple[Tensor, Tensor]:
    frequencies = ROPE_BASE ** (-torch.arange(0, HEAD_WIDTH, 2, dtype=torch.float32) / HEAD_WIDTH)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies)
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def _norm(x: Tensor, weight: Tensor) -> Tensor:
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + EPSILON) * weight).to(x.dtype)


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.Parameter(torch.ones(WIDTH))
        self.query = nn.Linear(WIDTH, HEADS * HEAD_WIDTH, bias=False)
        self.key = nn.Linear(WIDTH, KV_HEADS * HEAD_WIDTH, bias=False)
        self.value = nn.Linear(WIDTH, KV_HEADS * HEAD_WIDTH, bias=False)
        self.output = nn.Linear(HEADS * HEAD_WIDTH, WIDTH, bias=False)
        self.mlp_norm = nn.Parameter(torch.ones(WIDTH))
        self.gate = nn.Linear(WIDTH, INNER, bias=False)
        self.up = nn.Linear(WIDTH, INNER, bias=False)
        self.down = nn.Linear(INNER, WIDTH, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        x = x + self._attend(_norm(x, self.attention_norm), cos, sin, mask)
        inner = _norm(x, self.mlp_norm)
        mixed: Tensor = self.down(F.silu(self.gate(inner)) * self.up(inner))
        return x + mixed

    def _attend(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        rows, length, _ = x.shape
        query = self.query(x).view(rows, length, HEADS, HEAD_WIDTH).transpose(1, 2)
        key = self.key(x).view(rows, length, KV_HEADS, HEAD_WIDTH).transpose(1, 2)
        value = self.value(x).view(rows, length, KV_HEADS, HEAD_WIDTH).transpose(1, 2)
        query, key = _rotate(query, cos, sin), _rotate(key, cos, sin)
        query, key = query.to(value.dtype), key.to(value.dtype)
        key = key.repeat_interleave(HEADS // KV_HEADS, dim=1)
        value = value.repeat_interleave(HEADS // KV_HEADS, dim=1)
        if mask is None:
            mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        else:
            scores = query @ key.transpose(-1, -2) * HEAD_WIDTH**-0.5
            mixed = (scores.float() + mask).softmax(-1).to(value.dtype) @ value
        result: Tensor = self.output(mixed.transpose(1, 2).reshape(rows, length, HEADS * HEAD_WIDTH))
        return result


class Net(nn.Module):
    cos: Tensor
    sin: Tensor

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embedding = nn.Embedding(PADDED_VOCABULARY, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.final_norm = nn.Parameter(torch.ones(WIDTH))
        nn.init.normal_(self.embedding.weight, std=0.02)
        for layer in self.layers:
            assert isinstance(layer, Layer)
            for part in (layer.query, layer.key, layer.value, layer.gate, layer.up):
                nn.init.normal_(part.weight, std=WIDTH**-0.5 * 0.5)
            for part in (layer.output, layer.down):
                nn.init.zeros_(part.weight)
        cos, sin = rope_table(CONTEXT)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        x = F.embedding(tokens, self.embedding.weight)
        cos, sin = self.cos[:length], self.sin[:length]
        mask = None
        if x.device.type == "cpu" and length < _FUSED_FROM:
            mask = torch.full((length, length), float("-inf")).triu(1)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return _norm(x, self.final_norm)

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.embedding.weight.to(hidden.dtype))
