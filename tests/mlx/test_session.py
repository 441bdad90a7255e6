"""The session against an engine that does what the test says, when the test says it."""

from __future__ import annotations

from typing import Any

import pytest

from clock import Clock
from hearth_mlx.engine import CallEnd, CallError, Facts, Loaded, LoadSpec, SequenceTokens, Stats
from hearth_mlx.frames import ProtocolError
from hearth_mlx.protocol import ToWorker, parse_to_worker
from hearth_mlx.session import Session, SessionDeps

LOADED = Loaded(100, 2, Facts("test", 1, 2, 100, 3, True, "cpu"), {"file": 1.0})
SAMPLING = {
    "temperature": 0, "topP": 1, "topK": 0, "minP": 0, "frequencyPenalty": 0, "presencePenalty": 0,
    "repeatPenalty": 1, "seed": 1, "logitBias": [], "ignoreEos": False,
}  # fmt: skip


def message(kind: str, **fields: Any) -> ToWorker:
    return parse_to_worker({"type": kind, **fields})


def welcome(**settings: Any) -> ToWorker:
    heartbeat = {"intervalMs": 1000, "misses": 3, "silenceLimitMs": 60_000, "dependent": True, **settings}
    return message("welcome", version=3, heartbeat=heartbeat)


def load() -> ToWorker:
    return message("load", path="/m", contextTokens=100, slots=2, threads=1, gpu="off")


def generate(call: int) -> ToWorker:
    return message(
        "generate", call=call, requestId="r", tenant="t", priority="low", prompt={"text": "x"}, sampling=SAMPLING,
        stops=[], echo=False, creditTokens=256,
    )  # fmt: skip


class ManualEngine:
    def __init__(self) -> None:
        self.told: list[str] = []

    def estimate(self, spec: LoadSpec) -> None:
        self.told.append(f"estimate {spec.path}")

    def load(self, spec: LoadSpec) -> None:
        self.told.append(f"load {spec.path}")

    def generate(self, job: Any) -> None:
        self.told.append(f"generate {job.call} {job.priority}")

    def credit(self, call: int, tokens: int) -> None:
        self.told.append(f"credit {call} {tokens}")

    def cancel(self, call: int) -> None:
        self.told.append(f"cancel {call}")

    def set_threads(self, threads: int) -> None:
        self.told.append(f"threads {threads}")

    def close(self) -> None:
        self.told.append("close")

    def stats(self) -> Stats:
        return Stats("decode", 7, 1, 1, 0, 1, 0, 5)


class Setup:
    def __init__(self) -> None:
        self.clock = Clock()
        self.engine = ManualEngine()
        self.sent: list[dict[str, Any]] = []
        self.ends: list[int | str] = []
        self.session = Session(
            SessionDeps(
                timers=self.clock.timers,
                engine=self.engine,
                rss_bytes=lambda: 123,
                send=self.sent.append,
                exit=self.ends.append,
                orphan=lambda: self.ends.append("orphan"),
            )
        )

    def tell(self, *messages: ToWorker) -> None:
        for one in messages:
            self.session.on_message(one)

    def finish(self, call: int) -> None:
        self.session.calls.finished(CallEnd(call, "stop", 1, 0, 1))

    @property
    def types(self) -> list[str]:
        return [one["type"] for one in self.sent if one["type"] != "heartbeat" and one.get("level") != "debug"]


@pytest.fixture
def new() -> Setup:
    return Setup()


@pytest.fixture
def loaded() -> Setup:
    setup = Setup()
    setup.tell(welcome(), load())
    setup.session.on_loaded(LOADED)
    setup.sent.clear()
    setup.engine.told.clear()
    return setup


def test_says_nothing_by_itself_and_loads_when_asked_to(new: Setup) -> None:
    assert new.sent == []
    new.tell(welcome(), load())
    new.session.on_load_progress(0.5)
    new.session.on_loaded(LOADED)
    assert new.types == ["load_progress", "loaded"]
    assert new.engine.told == ["load /m"]


def test_estimates_then_loads(new: Setup) -> None:
    new.tell(welcome(), message("estimate", path="/m", contextTokens=1, slots=1, threads=1, gpu="off"))
    new.session.on_estimated(9)
    new.tell(load())
    assert new.engine.told == ["estimate /m", "load /m"]
    assert new.ends == []


def test_heartbeats_come_from_welcome_on_also_while_loading(new: Setup) -> None:
    def phases() -> list[str]:
        return [one["phase"] for one in new.sent if one["type"] == "heartbeat"]

    new.clock.advance(5_000)
    assert phases() == []
    new.tell(welcome(), load())
    new.clock.advance(1_000)
    assert phases() == ["starting", "loading"]
    new.session.on_loaded(LOADED)
    new.clock.advance(1_000)
    assert new.sent[-1] == {
        "type": "heartbeat", "phase": "decode", "steps": 7, "stepMs": 1, "active": 1, "waiting": 0,
        "rssBytes": 123, "threads": 1, "gpuBytes": 0, "kvUsedTokens": 5,
    }  # fmt: skip


def test_goes_on_while_it_hears_ticks_and_ends_itself_after_too_long_a_silence(new: Setup) -> None:
    new.tell(welcome())
    for _ in range(200):
        new.clock.advance(1_000)
        new.tell(message("tick"))
    new.clock.advance(60_000)
    assert new.ends == []
    new.clock.advance(2_000)
    assert new.ends == ["orphan"]
    assert new.sent[-1]["message"] == "Nothing was heard from the server for 60000 ms."


def test_only_warns_once_when_it_does_not_depend_on_the_server(new: Setup) -> None:
    new.tell(welcome(dependent=False))
    new.clock.advance(300_000)
    assert new.ends == []
    assert [one["level"] for one in new.sent if one["type"] == "log"] == ["debug", "warn"]


def test_says_why_a_load_failed(new: Setup) -> None:
    new.tell(welcome(), load())
    new.session.on_load_failed("bad magic", "gguf: bad magic\n")
    assert new.sent[-1] == {"type": "load_failed", "reason": "bad magic", "log": "gguf: bad magic\n"}
    new.tell(message("credit", call=1, tokens=1), message("cancel", call=1), message("shutdown"))
    assert new.engine.told == ["load /m"]
    assert new.ends == [0]


def test_forwards_calls_and_sends_what_the_engine_reports(loaded: Setup) -> None:
    loaded.tell(generate(1), message("credit", call=1, tokens=9), message("cancel", call=5))
    loaded.tell(message("threads", threads=4))
    assert loaded.engine.told == ["generate 1 low", "credit 1 9", "cancel 5", "threads 4"]
    calls = loaded.session.calls
    calls.accepted(1, prompt_tokens=3, cached_tokens=2)
    calls.tokens([SequenceTokens(1, (1,), "a")])
    calls.tokens([SequenceTokens(1, (2,), "b")])
    loaded.finish(1)
    # What was gathered stands before the end of its call.
    assert loaded.types == ["accepted", "step", "step", "finished"]


def test_lets_no_call_end_twice_and_reports_an_engine_that_tries(loaded: Setup) -> None:
    loaded.tell(generate(1))
    loaded.finish(1)
    loaded.finish(1)
    loaded.session.calls.tokens([SequenceTokens(1, (1,), "late")])
    loaded.session.calls.failed(2, CallError("internal", "never asked for"))
    assert loaded.types == ["finished", "log", "log", "log"]


def test_drains(loaded: Setup) -> None:
    loaded.tell(generate(1), message("drain"), generate(2))
    assert loaded.sent[-1]["error"]["code"] == "draining"
    loaded.finish(1)
    assert loaded.types == ["failed", "finished", "drained"]
    loaded.tell(message("shutdown"))
    assert loaded.ends == []
    loaded.session.on_engine_closed()
    assert loaded.ends == [0]


def test_a_drain_while_it_loads_stands(new: Setup) -> None:
    new.tell(welcome(), load(), message("drain"))
    new.session.on_loaded(LOADED)
    new.tell(generate(1))
    assert new.types == ["drained", "loaded", "failed"]


def test_tells_the_ends_of_calls_while_it_stops_and_exits_once(loaded: Setup) -> None:
    loaded.tell(generate(1), message("shutdown"), message("shutdown"))
    loaded.finish(1)
    assert loaded.engine.told == ["generate 1 low", "close"]
    assert loaded.ends == []
    loaded.session.on_engine_closed()
    assert loaded.types == ["finished"]
    assert loaded.ends == [0]
    assert loaded.clock.timers.wait_ms() is None


def test_on_sigterm_finishes_what_runs_then_exits_by_itself(loaded: Setup) -> None:
    loaded.tell(generate(1))
    loaded.session.on_terminate()
    loaded.finish(1)
    assert loaded.types == ["finished", "drained"]
    loaded.session.on_engine_closed()
    assert loaded.ends == [0]


def test_is_an_orphan_when_the_channel_ends_also_while_it_stops(loaded: Setup) -> None:
    loaded.tell(message("shutdown"))
    loaded.session.on_close(OSError("EPIPE"))
    loaded.session.on_engine_closed()
    assert loaded.ends == ["orphan"]
    assert loaded.clock.timers.wait_ms() is None


@pytest.mark.parametrize(
    "messages",
    [
        [load()],
        [welcome(), generate(1)],
        [welcome(), welcome()],
        [welcome(), load(), load()],
        [welcome(), message("threads", threads=1)],
        [welcome(), load(), message("drain"), message("threads", threads=1)],
    ],
)
def test_ends_on_a_message_that_does_not_belong(new: Setup, messages: list[ToWorker]) -> None:
    new.tell(*messages)
    assert new.ends == [76]
    assert new.sent[-1]["level"] == "error"


def test_ends_on_a_call_that_is_running_already(loaded: Setup) -> None:
    loaded.tell(generate(1), generate(1))
    assert loaded.ends == [76]


def test_ends_on_bytes_that_are_no_message_and_a_cut_frame_is_the_death_of_the_parent() -> None:
    first, second = Setup(), Setup()
    first.session.on_close(ProtocolError("kind", "x"))
    second.session.on_close(ProtocolError("truncated", "x"))
    assert first.ends == [76]
    assert second.ends == ["orphan"]
