"""What happens around the conversation: arguments, environment, memory."""

import os
import resource
import sys

import pytest

from hearth_mlx.arguments import read_arguments
from hearth_mlx.environment import keeping_file_limit, prepare_environment
from hearth_mlx.main_loop import MainLoop
from hearth_mlx.rss import rss_bytes

MIB = 1024 * 1024


def test_reads_arguments_in_every_order_and_with_the_flags_of_heartbeats() -> None:
    for argv in (
        ["worker", "--run-id=a", "--backend=mlx"],
        ["--backend", "mlx", "worker", "--run-id", "a", "--heartbeat-dependent"],
        ["worker", "more", "--run-id=a", "--backend=mlx", "--heartbeat-independent"],
    ):
        assert read_arguments(argv).run_id == "a"


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["worker"],
        ["--run-id=a", "--backend=mlx"],
        ["work", "--run-id=a", "--backend=mlx"],
        ["worker", "--run-id=", "--backend=mlx"],
        ["worker", "--run-id=a", "--backend=fake"],
        ["worker", "--run=a", "--backend=mlx"],
        ["worker", "--run-id=a", "--backend=mlx", "--help"],
    ],
)
def test_refuses_other_arguments(argv: list[str]) -> None:
    with pytest.raises(ValueError, match=r"expected|unrecognized"):
        read_arguments(argv)


def test_the_environment_keeps_libraries_off_the_network_and_to_the_packages_that_were_locked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(os, "environ", {"PYTHONPATH": "/x", "MLX_BLAS": ""})
    prepare_environment()
    assert "PYTHONPATH" not in os.environ
    assert os.environ["HF_HUB_OFFLINE"] == os.environ["PYTHONNOUSERSITE"] == "1"
    assert ("MLX_DISABLE_COMPILE" in os.environ) == (sys.platform != "darwin")


def test_a_blas_that_cannot_be_loaded_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_BLAS", "/no/such/library.so")
    with pytest.raises(OSError, match="/no/such/library"):
        prepare_environment()


def test_as_many_files_may_be_open_after_an_import_as_before() -> None:
    soft, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with keeping_file_limit():
        # The hard one, too, is not tried: it could not be raised again.
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft // 2, hard))
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_memory_in_ram_is_of_the_size_of_a_python() -> None:
    before = rss_bytes()
    assert 4 * MIB < before < 4_096 * MIB
    block = b"x" * (64 * MIB)
    assert rss_bytes() > before + 32 * MIB
    del block


def test_the_main_loop_does_all_that_was_posted_in_order_and_what_fails_ends_a_turn_only() -> None:
    loop, done = MainLoop(), []

    def fail() -> None:
        raise RuntimeError("one turn")

    for act in (lambda: done.append(1), fail, lambda: done.append(2)):
        loop.post(act)
    with pytest.raises(RuntimeError):
        loop.turn(lambda: None)
    loop.turn(lambda: None)
    assert done == [1, 2]
