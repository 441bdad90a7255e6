"""What tests of the loader share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hearth_mlx.engine import LoadSpec
from hearth_mlx.loader import Loader
from hearth_mlx.model import LoadedModel


def spec_of(path: Path, **changes: Any) -> LoadSpec:
    return LoadSpec(**{"path": str(path), "context_tokens": 512, "slots": 2, "threads": 1, "gpu": "off", **changes})


def load(path: Path, **changes: Any) -> LoadedModel:
    return Loader().load(spec_of(path, **changes), lambda _: None)[0]
