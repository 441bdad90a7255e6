"""What a worker is called with: ``worker --run-id=<id> --backend=mlx``, as every worker is.

Errors: ``ValueError`` in one line that says what is expected.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

BACKEND: Final = "mlx"


@dataclass(frozen=True, slots=True)
class Arguments:
    run_id: str
    backend: str


class _Parser(argparse.ArgumentParser):
    """One that leaves it to others to write and to exit."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def read_arguments(argv: Sequence[str]) -> Arguments:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("positionals", nargs="*")
    parser.add_argument("--run-id", default="")
    parser.add_argument("--backend", default="")
    # For programs that do not speak of heartbeats in `welcome`, as we do.
    parser.add_argument("--heartbeat-dependent", action="store_true")
    parser.add_argument("--heartbeat-independent", action="store_true")
    found = parser.parse_args(list(argv))
    if found.positionals[:1] != ["worker"] or not found.run_id or found.backend != BACKEND:
        raise ValueError(f"expected: worker --run-id=<id> --backend={BACKEND}")
    return Arguments(run_id=found.run_id, backend=found.backend)
