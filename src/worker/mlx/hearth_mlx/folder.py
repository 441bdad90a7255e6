"""A look at a model folder before anything of it is loaded.

What is wrong with a folder is said here, in words, instead of by a library in the middle of a load. Python code in
the folder is never run, whatever ``auto_map`` or ``model_file`` ask for.

Units:  bytes.
Errors: ``LoadError`` with one line: what is the matter, with which file or value, and what to do.
Source: ``mlx_lm.utils.load_model``, which reads ``config.json`` and every ``model*.safetensors``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from .engine import LoadError
from .json_file import read_object, read_object_if_any
from .safetensors_header import Tensor, read_header

INDEX_FILE: Final = "model.safetensors.index.json"
_PICKLED: Final = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_MODULE_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_SHARD_NAME: Final = re.compile(r"model-(\d{5})-of-(\d{5})\.safetensors")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    path: Path
    config: Mapping[str, Any]
    model_type: str
    tensors: Mapping[str, Tensor]
    # Of all shards, headers included.
    file_bytes: int


def look_at_folder(path: Path) -> ModelFolder:
    if not path.exists():
        raise LoadError(f"{path} does not exist; name the folder of a model")
    if not path.is_dir():
        raise LoadError(f"{path} is no folder; name the folder that holds config.json and model.safetensors")
    if not (path / "config.json").is_file():
        raise LoadError(f"{path} has no config.json, so it is no model folder; name the folder that holds it")
    config = read_object(path / "config.json")
    model_type = _known_model_type(config)
    shards = _shards_of(path)
    tensors: dict[str, Tensor] = {}
    for shard in shards:
        tensors.update(read_header(shard))
    if not tensors:
        raise LoadError(f"{shards[0].name} holds no tensors; download it again")
    _check_layers(config, len(tensors))
    if not (path / "tokenizer.json").is_file():
        raise LoadError(f"{path} has no tokenizer.json{_other_tokenizer(path)}; take a folder that holds it")
    return ModelFolder(path, config, model_type, tensors, sum(shard.stat().st_size for shard in shards))


def text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """That of the part that reads and writes text; models that also see keep it one level down."""
    inner = config.get("text_config")
    return inner if isinstance(inner, dict) else config


def _known_model_type(config: Mapping[str, Any]) -> str:
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type == "":
        raise LoadError(f"config.json names no model_type (it has {model_type!r}); take a folder that is whole")
    if (model_file := config.get("model_file")) is not None:
        raise LoadError(
            f"this model needs Python code of its own ({model_file!r} in config.json), and code from a model folder "
            "is never run; take another conversion"
        )
    # Heavy: not before a folder is there to be looked at.
    from mlx_lm.utils import MODEL_REMAPPING

    module = MODEL_REMAPPING.get(model_type, model_type)
    if _MODULE_NAME.fullmatch(module) is None or find_spec(f"mlx_lm.models.{module}") is None:
        code = ", and its own Python code (auto_map) is never run" if "auto_map" in config else ""
        raise LoadError(
            f"model_type {model_type!r} of config.json is not known to this build of mlx-lm{code}; "
            "take another model, or its GGUF"
        )
    return model_type


def _shards_of(path: Path) -> list[Path]:
    """The files that mlx-lm will read, after a look at what should be there."""
    found = {shard.name: shard for shard in sorted(path.glob("model*.safetensors")) if shard.is_file()}
    index = read_object_if_any(path / INDEX_FILE)
    if index:
        named = index.get("weight_map")
        if not isinstance(named, dict) or not all(isinstance(name, str) for name in named.values()):
            raise LoadError(f"{INDEX_FILE} has no weight_map of names; download it again")
        _check_all_there(found, sorted(set(named.values())), INDEX_FILE)
    for name in list(found):
        if (numbered := _SHARD_NAME.fullmatch(name)) is not None:
            count = int(numbered[2])
            _check_all_there(found, [f"model-{i:05}-of-{count:05}.safetensors" for i in range(1, count + 1)], name)
    if found:
        return list(found.values())
    others = [file.name for file in sorted(path.iterdir()) if file.is_file()]
    pickled = [name for name in others if name.endswith(_PICKLED)]
    if pickled:
        raise LoadError(
            f"{path} holds pickled weights only ({pickled[0]}), which can run code when they are read; "
            "take a conversion to safetensors"
        )
    foreign = [name for name in others if name.endswith((".safetensors", ".gguf", ".npz"))]
    hint = f"; {foreign[0]} is not named like that" if foreign else ""
    raise LoadError(f"{path} has no model*.safetensors{hint}; download the weights")


def _check_all_there(found: Mapping[str, Path], names: list[str], source: str) -> None:
    missing = [name for name in names if name not in found]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise LoadError(f"{missing[0]}{more} is missing, {source} says that it belongs here; download it")


def _check_layers(config: Mapping[str, Any], tensors: int) -> None:
    """A layer has a tensor at least: a number of layers beyond that would be built for hours."""
    layers = text_config(config).get("num_hidden_layers")
    if isinstance(layers, int) and layers > tensors:
        raise LoadError(
            f"num_hidden_layers of config.json is {layers}, and the files hold {tensors} tensors in all; "
            "take a folder that is whole"
        )


def _other_tokenizer(path: Path) -> str:
    others = [name for name in ("tokenizer.model", "vocab.json", "tiktoken.model") if (path / name).is_file()]
    return f", only {others[0]}" if others else ""
