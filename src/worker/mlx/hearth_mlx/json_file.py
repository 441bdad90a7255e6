"""JSON files of a model folder: outside data, in one place.

Errors: ``LoadError`` that names the file, for one that is no JSON or no object.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from .engine import LoadError

# A tokenizer of 256,000 tokens has 35 MB; nothing that is read here is larger.
_MAX_BYTES: Final = 256 * 1024 * 1024


def read_object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise LoadError(f"{path.name} has {path.stat().st_size} bytes, more than {_MAX_BYTES}; it is no such file")
        value = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise LoadError(f"{path.name} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise LoadError(f"{path.name} is not UTF-8; download it again") from None
    except ValueError as error:
        raise LoadError(f"{path.name} is not JSON: {error}; download it again") from None
    except RecursionError:
        raise LoadError(f"{path.name} is nested too deeply; download it again") from None
    if not isinstance(value, dict):
        raise LoadError(f"{path.name} holds {_kind(value)} where an object is needed; download it again")
    return value


def read_object_if_any(path: Path) -> dict[str, Any]:
    """{} for a file that is not there."""
    return read_object(path) if path.is_file() else {}


def _kind(value: Any) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), f"the value {value!r}"[:60])
