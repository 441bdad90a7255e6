"""A network from a model folder: built, checked against its weights, and read into memory part by part.

    open_network()  everything known, nothing read: arrays are promises
    read_weights()  the promises kept

Errors: ``LoadError``: a config that makes no model, weights that do not belong to it.
Source: ``mlx_lm.utils.load_model``; it is never handed ``trust_remote_code`` and finds only local files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import mlx.core as mx
from mlx_lm.utils import _get_classes, load_model

from .config_fault import config_error, one_line
from .engine import LoadError
from .folder import ModelFolder
from .parameters import arrays_of
from .precision import set_running_dtypes
from .row_cost import RowCost, row_cost

# What is read between two reports of progress.
_PART_BYTES: Final = 64 * 1024 * 1024
_WEIGHTS_DIFFER: Final = re.compile(r"parameters|Expected shape|Expected mx.array|quantiz|global_scale", re.IGNORECASE)


def open_network(folder: ModelFolder, *, chip: str | None) -> tuple[Any, RowCost]:
    """``chip``: see ``precision.chip_of``."""
    seen: list[type] = []

    def classes(config: dict[str, Any]) -> tuple[Any, Any]:
        model, args = _get_classes(config)
        seen.append(args)
        return model, args

    try:
        network, _ = load_model(folder.path, lazy=True, strict=True, get_model_classes=classes)
        set_running_dtypes(network, chip=chip, model_type=folder.model_type)
        return network, row_cost(network)
    except LoadError:
        raise
    except Exception as error:
        raise _explain(error, folder.config, seen[0] if seen else None) from error


def read_weights(network: Any, progress: Callable[[float], None]) -> None:
    arrays = arrays_of(network)
    total = sum(array.nbytes for array in arrays)
    done = 0
    for part in _parts(arrays):
        mx.eval(part)
        done += sum(array.nbytes for array in part)
        progress(done / total)


def weight_bytes(network: Any) -> int:
    """As they will be in memory."""
    return sum(array.nbytes for array in arrays_of(network))


def _parts(arrays: list[mx.array]) -> Iterator[list[mx.array]]:
    part: list[mx.array] = []
    size = 0
    for array in arrays:
        part.append(array)
        size += array.nbytes
        if size >= _PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _explain(error: Exception, config: Mapping[str, Any], args_class: type | None) -> LoadError:
    said = str(error)
    if isinstance(error, ValueError) and _WEIGHTS_DIFFER.search(said):
        return LoadError(
            f"the weights do not belong to config.json: {one_line(error)}; take both from the same place", log=said
        )
    return config_error(error, config, args_class)
