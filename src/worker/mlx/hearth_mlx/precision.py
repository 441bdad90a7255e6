"""In which floating-point type a model runs. Pure but for ``device_name``.

- On a CPU in float32: with 16-bit scales and activations a quantised product takes 8 to 40 times as long.
- On M1 and M2 in float16 instead of bfloat16, which those chips have no arithmetic for. Not the Gemma models: their
  activations grow beyond what float16 holds.
- Otherwise as it is stored.

Source: rule 10 and section 1.2 of mlx.md, measured on Linux; the chips after Apple's feature tables.
"""

from __future__ import annotations

import re
from typing import Any, Final

import mlx.core as mx
from mlx.utils import tree_map

_WITHOUT_BFLOAT: Final = re.compile(r"\bApple M[12]\b")
_NEEDS_RANGE: Final = re.compile(r"gemma|recurrent_gemma")


def running_dtype(stored: mx.Dtype, *, chip: str | None, model_type: str) -> mx.Dtype:
    """``chip``: as Metal names it, "Apple M2 Pro"; None for a CPU."""
    if chip is None:
        return mx.float32 if stored in (mx.float16, mx.bfloat16) else stored
    if stored == mx.bfloat16 and _WITHOUT_BFLOAT.search(chip) and not _NEEDS_RANGE.search(model_type):
        return mx.float16
    return stored


def set_running_dtypes(network: Any, *, chip: str | None, model_type: str) -> None:
    """Scales of quantised weights too: where they differ from the activations all is widened to float32."""

    def convert(value: Any) -> Any:
        if not isinstance(value, mx.array) or not mx.issubdtype(value.dtype, mx.floating):
            return value
        return value.astype(running_dtype(value.dtype, chip=chip, model_type=model_type))

    network.update(tree_map(convert, network.parameters()))


def chip_of(gpu: str) -> str | None:
    """The chip that ``gpu`` of a ``LoadSpec`` means here; None: the CPU."""
    if gpu == "off" or not mx.metal.is_available():
        return None
    return str(mx.device_info(mx.gpu).get("device_name", "unknown"))


def device_text(chip: str | None) -> str:
    return "CPU" if chip is None else f"Metal ({chip})"
