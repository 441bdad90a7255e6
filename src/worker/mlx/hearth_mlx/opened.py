"""A model that is known, and of which no weight has been read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .folder import look_at_folder, text_config
from .network import open_network, read_weights, weight_bytes
from .row_cost import RowCost
from .tokenizer_source import TokenizerSource, read_tokenizer_source


@dataclass(frozen=True, slots=True)
class Opened:
    model_type: str
    # Of the part that reads text.
    text_config: Mapping[str, Any]
    file_bytes: int
    # As they will be in memory.
    weight_bytes: int
    row: RowCost
    # None where nothing says it.
    trained_tokens: int | None
    source: TokenizerSource
    # Reads the weights; the argument is called with a fraction. Returns the network.
    read: Callable[[Callable[[float], None]], Any]


def open_folder(path: Path, *, chip: str | None) -> Opened:
    folder = look_at_folder(path)
    source = read_tokenizer_source(path, folder.config)
    network, row = open_network(folder, chip=chip)

    def read(progress: Callable[[float], None]) -> Any:
        read_weights(network, progress)
        return network

    inner = text_config(folder.config)
    return Opened(
        model_type=folder.model_type,
        text_config=inner,
        file_bytes=folder.file_bytes,
        weight_bytes=weight_bytes(network),
        row=row,
        trained_tokens=_trained_tokens(folder.config, inner, network),
        source=source,
        read=read,
    )


def _trained_tokens(config: Mapping[str, Any], inner: Mapping[str, Any], network: Any) -> int | None:
    said = [
        holder.get(name)
        for holder in (inner, config)
        for name in ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "seq_length")
    ]
    # transformers leaves out what is the default of a family: mlx-lm's may know it.
    parts = (network, getattr(network, "language_model", None))
    said += [getattr(getattr(part, "args", None), "max_position_embeddings", None) for part in parts]
    tokens = next((value for value in said if type(value) is int and value > 0), None)
    scaling = inner.get("rope_scaling") or inner.get("rope_parameters")
    if tokens is None or not isinstance(scaling, dict):
        return tokens
    # YaRN that was switched on by hand says it here only.
    factor, original = scaling.get("factor"), scaling.get("original_max_position_embeddings")
    is_yarn = "yarn" in (scaling.get("rope_type"), scaling.get("type"))
    if is_yarn and isinstance(factor, int | float) and type(original) is int:
        return max(tokens, int(original * factor))
    return tokens
