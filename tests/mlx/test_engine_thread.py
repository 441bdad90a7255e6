"""The engine thread with a main thread that takes what is posted."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hearth_mlx.engine import Facts, Loaded, LoadError, LoadSpec, Sink, Stats
from hearth_mlx.engine_thread import EngineThread, explain

SPEC = LoadSpec("/m", 1, 1, 1, "off")
LOADED = Loaded(1, 1, Facts("t", 1, 1, 1, 1, True, "cpu"), {})


class Engine:
    """Counts its steps; each waits until it is let go."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.done: list[str] = []
        self.may_step = threading.Semaphore(0)
        self.work = 0
        self.fails: BaseException | None = None

    def estimate(self, spec: LoadSpec) -> int:
        return 7

    def load(self, spec: LoadSpec) -> Loaded:
        if self.fails is not None:
            raise self.fails
        return LOADED

    def generate(self, job: Any) -> None:
        self.done.append(f"generate {job}")
        self.work += job

    def credit(self, call: int, tokens: int) -> None:
        self.done.append(f"credit {call} {tokens}")

    def cancel(self, call: int) -> None:
        self.done.append(f"cancel {call}")

    def set_threads(self, threads: int) -> None:
        self.done.append(f"threads {threads}")

    def step(self) -> bool:
        if self.work == 0:
            return False
        self.done.append("step")
        self.sink.log("info", "stepped")
        self.may_step.acquire()
        self.work -= 1
        if self.fails is not None:
            raise self.fails
        return self.work > 0

    def stats(self) -> Stats:
        return Stats("idle", 0, 0, 0, 0, 0, 0, 0)

    def close(self) -> None:
        self.done.append("close")


class Main:
    """Has what is posted done, and notes what it was told."""

    def __init__(self, make_engine: Callable[[Sink], Any] | None = None) -> None:
        self.posted: queue.Queue[Callable[[], None]] = queue.Queue()
        self.told: list[Any] = []
        self.calls: Any = None
        self.engine: Any = None

        def make(sink: Sink) -> Any:
            self.engine = Engine(sink)
            return self.engine

        self.thread = EngineThread(
            make_engine or make, post=self.posted.put, on_fault=lambda error: self.told.append(("fault", error))
        )
        before = set(threading.enumerate())
        self.thread.start(self)
        [self.started] = set(threading.enumerate()) - before

    def on_estimated(self, need_bytes: int) -> None:
        self.told.append(("estimated", need_bytes))

    def on_load_progress(self, fraction: float) -> None:
        self.told.append(("progress", fraction))

    def on_loaded(self, found: Loaded) -> None:
        self.told.append(("loaded", found))

    def on_load_failed(self, reason: str, log: str) -> None:
        self.told.append(("failed", reason, log))

    def on_engine_closed(self) -> None:
        self.told.append("closed")

    def on_log(self, *args: Any) -> None:
        self.told.append("stepped")

    def join(self) -> None:
        self.started.join(timeout=30)
        assert not self.started.is_alive()

    def next(self) -> Any:
        self.posted.get(timeout=30)()
        return self.told[-1]


def test_does_what_it_is_told_in_order_and_takes_it_between_two_steps() -> None:
    main = Main()
    main.thread.estimate(SPEC)
    assert main.next() == ("estimated", 7)
    main.thread.load(SPEC)
    assert main.next() == ("loaded", LOADED)
    main.thread.generate(2)  # type: ignore[arg-type]
    assert main.next() == "stepped"
    main.thread.credit(1, 5)
    main.thread.cancel(1)
    main.engine.may_step.release()
    assert main.next() == "stepped"
    main.engine.may_step.release()
    main.thread.set_threads(3)
    main.thread.close()
    assert main.next() == "closed"
    assert main.engine.done == ["generate 2", "step", "credit 1 5", "cancel 1", "step", "threads 3", "close"]


def test_goes_on_while_there_is_work_and_not_after_it_was_closed() -> None:
    main = Main()
    main.thread.load(SPEC)
    main.next()
    main.thread.generate(100)  # type: ignore[arg-type]
    for _ in range(3):
        assert main.next() == "stepped"
        main.engine.may_step.release()
    assert main.next() == "stepped"
    main.thread.close()
    main.engine.may_step.release(100)
    assert main.next() == "closed"
    main.join()
    assert main.engine.done == ["generate 100", *["step"] * 4, "close"]


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(3)])
def test_an_exception_of_a_step_is_a_fault(error: BaseException) -> None:
    main = Main()
    main.thread.load(SPEC)
    main.next()
    main.engine.fails = error
    main.engine.may_step.release()
    main.thread.generate(1)  # type: ignore[arg-type]
    main.next()
    assert main.next() == ("fault", error)


def test_an_exception_of_a_load_is_told_in_one_line() -> None:
    main = Main()
    main.thread.estimate(SPEC)
    main.next()
    main.engine.fails = LoadError("two\nlines", log="tail\n")
    main.thread.load(SPEC)
    assert main.next() == ("failed", "two lines", "tail\n")


def test_an_engine_that_cannot_be_imported_is_told_to_the_load_that_waits_for_it() -> None:
    def make(_: Sink) -> Any:
        raise ModuleNotFoundError("No module named 'mlx_lm'")

    main = Main(make)
    assert main.thread.stats() is None
    main.thread.load(SPEC)
    kind, reason, log = main.next()
    assert (kind, reason) == (
        "failed",
        "The backend cannot be imported: ModuleNotFoundError: No module named 'mlx_lm'",
    )
    assert log.startswith("Traceback")


def test_the_log_of_an_unforeseen_error_is_bounded() -> None:
    reason, log = explain(ValueError("x" * 100_000))
    assert reason.startswith("ValueError: x")
    assert len(log) <= 4_096
