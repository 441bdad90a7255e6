"""A GGUF file whose weights MLX can hold as they are: other names, other order of rows, the same numbers.

MLX reads Q4_0, Q4_1 and Q8_0 into its own packing with groups of 32. Nothing is written beside the model.

Shapes: packed weights are [rows, columns * bits / 32] of u32, their scales and biases [rows, columns / 32], so an
        order of rows holds for all three.
Errors: ``LoadError`` for whatever would not be the same model.
Source: section 2 of mlx.md: none of 272 tensors of SmolLM2 differs from what the ``gguf`` package unpacks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import mlx.core as mx
from mlx.nn.layers.quantized import quantize
from mlx_lm.utils import _get_classes

from .config_fault import config_error, one_line
from .engine import LoadError
from .gguf_header import GgufHeader, read_gguf_header
from .gguf_network import hub_name, read_gguf_config
from .gguf_tokenizer import read_gguf_tokenizer
from .network import read_weights, weight_bytes
from .opened import Opened
from .precision import set_running_dtypes
from .row_cost import row_cost

_GROUP: Final = 32
_BITS: Final = {"Q4_0": 4, "Q4_1": 4, "Q8_0": 8}


def open_gguf(path: Path, *, chip: str | None) -> Opened:
    header = read_gguf_header(path)
    settings = read_gguf_config(header)
    source = read_gguf_tokenizer(header.metadata)
    try:
        network = _build(header, settings.config)
        _set_dtypes(network, header, chip)
        row = row_cost(network)
    except LoadError:
        raise
    except Exception as error:
        raise config_error(error, settings.config, None) from error

    def read(progress: Callable[[float], None]) -> Any:
        weights: dict[str, mx.array] = {}
        stored: Any = mx.load(str(path))
        for name, array in stored.items():
            if settings.permuted is not None and ".attn_q." in name:
                array = to_halves(array, settings.permuted[0])
            elif settings.permuted is not None and ".attn_k." in name:
                array = to_halves(array, settings.permuted[1])
            weights[hub_name(name)] = array
        try:
            network.load_weights(list(weights.items()), strict=True)
        except ValueError as error:
            raise LoadError(f"{path.name}: the weights do not belong to its header: {one_line(error)}") from error
        weights.clear()
        _set_dtypes(network, header, chip)
        read_weights(network, progress)
        return network

    return Opened(
        model_type=settings.config["model_type"],
        text_config=settings.config,
        file_bytes=header.file_bytes,
        weight_bytes=weight_bytes(network),
        row=row,
        trained_tokens=settings.config["max_position_embeddings"],
        source=source,
        read=read,
    )


def to_halves(array: mx.array, heads: int) -> mx.array:
    """Rows of a head from pairs of neighbours to two halves; whatever stands in a row."""
    shape = array.shape
    return array.reshape(heads, shape[0] // heads // 2, 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def _build(header: GgufHeader, config: dict[str, Any]) -> Any:
    model, args = _get_classes(config)
    network = model(args.from_dict(config))
    bits = {hub_name(name).rpartition(".")[0]: _BITS.get(tensor.type) for name, tensor in header.tensors.items()}

    def packing(path: str, part: Any) -> bool | dict[str, int]:
        packed = bits.get(path)
        return False if packed is None else {"group_size": _GROUP, "bits": packed}

    quantize(network, class_predicate=packing)
    network.eval()
    return network


def _set_dtypes(network: Any, header: GgufHeader, chip: str | None) -> None:
    """On a GPU all in float16, unless the file is float32 throughout: the norms are float32 in every file, and would
    widen all activations."""
    if chip is not None and any(tensor.type != "F32" for tensor in header.tensors.values()):
        network.set_dtype(mx.float16)
    set_running_dtypes(network, chip=chip, model_type="llama")
