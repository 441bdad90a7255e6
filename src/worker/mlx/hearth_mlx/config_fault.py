"""What a library says of a config that it cannot build a model of, as one line that names the field.

mlx-lm builds models from dataclasses and fails wherever a value is first used: a field that is missing, a number
with a fraction where a count is needed, a size of 0. transformers checks its configs strictly and says so over
several lines.

Errors: none of its own; makes ``LoadError`` of others'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from .engine import LoadError
from .folder import text_config

_MISSING: Final = re.compile(r"missing \d+ required (?:positional|keyword-only) arguments?: (.+)$")
_STRICT: Final = re.compile(r"[Vv]alidation error for field '([^']+)'[:\s]*(.*)", re.DOTALL)
_MAX_CHARS: Final = 300


def config_error(error: Exception, config: Mapping[str, Any], args_class: type | None) -> LoadError:
    """``args_class`` is the dataclass that mlx-lm reads the config into, where it is known."""
    said = one_line(error)
    if (strict := _STRICT.search(str(error))) is not None:
        return LoadError(f"config.json: {strict[1]}: {' '.join(strict[2].split())[:_MAX_CHARS]}; correct the field")
    if (missing := _MISSING.search(said)) is not None:
        return LoadError(f"config.json lacks {missing[1]}; take a folder that is whole")
    if isinstance(error, KeyError):
        return LoadError(f"config.json lacks {said}; take a folder that is whole")
    inner = text_config(config)
    odd = _odd_fields(inner, args_class)
    if odd:
        return LoadError(f"config.json: {odd[0]}; correct the field ({said})")
    return LoadError(f"config.json does not make a model: {said}")


def _odd_fields(config: Mapping[str, Any], args_class: type | None) -> list[str]:
    """Fields that are not of the kind that their declaration says, the likeliest first."""
    if args_class is None or not is_dataclass(args_class):
        return []
    try:
        hints = get_type_hints(args_class)
    except (NameError, TypeError):
        # A declaration that cannot be resolved says nothing about the config.
        return []
    odd = []
    for name in (field.name for field in fields(args_class)):
        if name not in config:
            continue
        value, kinds = config[name], _kinds(hints.get(name))
        if kinds and not _fits(value, kinds):
            odd.append(f"{name} is {value!r:.80}, it should be {' or '.join(_WORDS[kind] for kind in kinds)}")
        elif type(value) is int and value <= 0 and int in kinds and name.startswith(_SIZES):
            odd.append(f"{name} is {value}, it should be above 0")
    return odd


_SIZES: Final = ("num_", "hidden_", "intermediate_", "vocab_", "head_")
_WORDS: Final = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", dict: "an object"}


def _kinds(hint: Any) -> list[type]:
    """The simple kinds that a declaration names; [] where it names others too."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [get_origin(part) or part for part in parts if part is not type(None)]
    return kinds if all(kind in _WORDS for kind in kinds) else []


def _fits(value: Any, kinds: list[type]) -> bool:
    if value is None or type(value) in kinds:
        return True
    return type(value) is int and float in kinds


def one_line(error: Exception) -> str:
    """What an error says, fit for a ``LoadError``."""
    return (" ".join(str(error).split()) or type(error).__name__)[:_MAX_CHARS]
