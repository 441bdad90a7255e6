"""In which type a model runs, for chips that this machine does not have: by the names that Apple gives them."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import pytest

from hearth_mlx.parameters import count_parameters
from hearth_mlx.precision import device_text, running_dtype, set_running_dtypes


@pytest.mark.parametrize(
    ("stored", "chip", "model_type", "running"),
    [
        (mx.bfloat16, "Apple M1", "llama", mx.float16),
        (mx.bfloat16, "Apple M2 Ultra", "qwen3", mx.float16),
        (mx.bfloat16, "Apple M3 Max", "llama", mx.bfloat16),
        (mx.bfloat16, "Apple M10", "llama", mx.bfloat16),
        (mx.bfloat16, "Apple M2", "gemma3_text", mx.bfloat16),
        (mx.float16, "Apple M1", "llama", mx.float16),
        (mx.float32, "Apple M1", "llama", mx.float32),
        (mx.bfloat16, None, "gemma3_text", mx.float32),
        (mx.float16, None, "llama", mx.float32),
    ],
)
def test_runs_in_a_type_that_the_chip_is_fast_in(
    stored: mx.Dtype, chip: str | None, model_type: str, running: mx.Dtype
) -> None:
    assert running_dtype(stored, chip=chip, model_type=model_type) == running


@pytest.mark.parametrize(("bits", "mode", "group"), [(4, "affine", 64), (3, "affine", 32), (4, "mxfp4", 32)])
def test_scales_are_converted_and_packed_weights_are_not(bits: int, mode: str, group: int) -> None:
    network = nn.Sequential(nn.Linear(128, 64), nn.RMSNorm(64))
    network.set_dtype(mx.bfloat16)
    parameters = count_parameters(network)
    nn.quantize(network, group, bits, mode=mode)
    set_running_dtypes(network, chip=None, model_type="llama")
    packed = network.layers[0]
    assert packed.weight.dtype == mx.uint32
    assert packed.scales.dtype == (mx.uint8 if mode == "mxfp4" else mx.float32)
    assert packed.bias.dtype == network.layers[1].weight.dtype == mx.float32
    assert count_parameters(network) == parameters


def test_names_the_device() -> None:
    assert device_text(None) == "CPU"
    assert device_text("Apple M3") == "Metal (Apple M3)"
