"""The worker's side of the conversation from ``hello`` on (which ``main.py`` says): speaks the protocol, drives one
engine. Belongs to the main thread. The Python twin of ``src/worker/session.ts``.

    greeting ──welcome──▶ idle ──load──▶ loading ──▶ ready ──drain──▶ draining
                          │  ▲              \\                            │ last call ended:
                 estimate ▼  │               `──▶ failed                 ▼ `drained` is said
                        estimating ────────────────▲
    from every state:  shutdown, or SIGTERM once drained ──▶ stopping ──engine closed──▶ exit 0
                       the channel ends, or is silent    ──▶ orphaned, also while stopping
                       a message that does not belong    ──▶ exit EXIT_PROTOCOL

An engine that has not loaded is not waited for when it stops: nothing can call it back from a load, and nobody has
a call in it.

Source: ``src/ipc/protocol.ts`` for the conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

from . import from_worker
from .calls import Calls
from .end import EXIT_PROTOCOL
from .engine import GenerateJob, Loaded, LoadSpec, LogFields, LogLevel, Stats
from .frames import ProtocolError
from .heartbeat import Beat, HeartbeatSettings
from .parent import ParentSilence
from .protocol import (
    Cancel,
    Credit,
    Drain,
    Estimate,
    Generate,
    Load,
    Shutdown,
    Threads,
    Tick,
    ToWorker,
    Welcome,
)
from .timers import Timers

State = Literal["greeting", "idle", "estimating", "loading", "ready", "failed", "draining", "stopping", "stopped"]

_BEFORE_THE_ENGINE: Final = Stats(
    phase="starting", steps=0, step_ms=0, active=0, waiting=0, threads=0, gpu_bytes=0, kv_used_tokens=0
)


class EngineCommands(Protocol):
    """An engine on a thread of its own: told what to do in order, never waited for."""

    def estimate(self, spec: LoadSpec) -> None: ...
    def load(self, spec: LoadSpec) -> None: ...
    def generate(self, job: GenerateJob) -> None: ...
    def credit(self, call: int, tokens: int) -> None: ...
    def cancel(self, call: int) -> None: ...
    def set_threads(self, threads: int) -> None: ...
    def close(self) -> None: ...
    def stats(self) -> Stats | None:
        """None before there is an engine."""
        ...


@dataclass(frozen=True, slots=True)
class SessionDeps:
    timers: Timers
    engine: EngineCommands
    rss_bytes: Callable[[], int]
    send: Callable[[from_worker.Report], None]
    # Sends what was said, then ends the process.
    exit: Callable[[int], None]
    # The orchestrator is gone: ends the process group at once, native calls or not.
    orphan: Callable[[], None]


class Session:
    def __init__(self, deps: SessionDeps) -> None:
        self._deps = deps
        self._state: State = "greeting"
        self._is_loaded = False
        self._exits_when_drained = False
        self._beat: Beat | None = None
        self._parent: ParentSilence | None = None
        # What the engine reports of calls goes there.
        self.calls: Final = Calls(deps.send, deps.timers, self._on_last_end)

    def on_message(self, message: ToWorker) -> None:
        if self._is_stopping:
            return
        if self._parent is not None:
            self._parent.heard(self._deps.timers.now_ms())
        match message:
            case Welcome(heartbeat) if self._state == "greeting":
                self._welcome(heartbeat)
            case Tick():
                pass  # To be heard was all.
            case Estimate(spec) if self._state == "idle":
                self._state = "estimating"
                self._deps.engine.estimate(spec)
            case Load(spec) if self._state == "idle":
                self._state = "loading"
                self._deps.engine.load(spec)
            case Generate(job):
                self._generate(job)
            # Both may cross the end of their call on the way; the engine ignores unknown calls.
            case Credit(call, tokens):
                if self._is_loaded:
                    self._deps.engine.credit(call, tokens)
            case Cancel(call):
                if self._is_loaded:
                    self._deps.engine.cancel(call)
            case Threads(threads) if self._is_loaded:
                self._deps.engine.set_threads(threads)
            case Drain():
                self._drain()
            case Shutdown():
                self.stop()
            case _:
                self._refuse(message.type)

    def on_close(self, error: Exception | None) -> None:
        if self._state == "stopped":
            return
        self._end()
        if isinstance(error, ProtocolError) and error.fault != "truncated":
            self._log("error", f"The orchestrator broke the protocol; the worker ends. {error}")
            self._deps.exit(EXIT_PROTOCOL)
        else:
            self._deps.orphan()

    def on_terminate(self) -> None:
        """SIGTERM: finishes what runs, then exits, whether or not anybody asks for it."""
        self._exits_when_drained = True
        self._drain()

    def stop(self) -> None:
        """Ends every call as cancelled, frees the model, exits with 0. Idempotent."""
        if self._is_stopping:
            return
        self._state = "stopping"
        if self._is_loaded:
            # The ends of the calls are still told while it closes.
            self._deps.engine.close()
        else:
            self.on_engine_closed()

    def on_engine_closed(self) -> None:
        if self._state != "stopping":
            return
        self.calls.flush()
        self._end()
        self._deps.exit(0)

    def on_estimated(self, need_bytes: int) -> None:
        if self._is_stopping:
            return
        if self._state == "estimating":
            self._state = "idle"
        self._deps.send(from_worker.estimated(need_bytes))

    def on_load_progress(self, fraction: float) -> None:
        self._deps.send(from_worker.load_progress(fraction))

    def on_loaded(self, found: Loaded) -> None:
        if self._is_stopping:
            return
        self._is_loaded = True
        # A drain that came meanwhile stands: the model is there and takes no calls.
        if self._state == "loading":
            self._state = "ready"
        self._deps.send(from_worker.loaded(found))

    def on_load_failed(self, reason: str, log: str) -> None:
        """Also of an estimate."""
        if self._is_stopping:
            return
        self._state = "failed"
        self._deps.send(from_worker.load_failed(reason, log))

    def on_log(self, level: LogLevel, message: str, fields: LogFields | None) -> None:
        self._deps.send(from_worker.log(level, message, fields))

    @property
    def _is_stopping(self) -> bool:
        return self._state in ("stopping", "stopped")

    def _welcome(self, settings: HeartbeatSettings) -> None:
        timers = self._deps.timers
        self._state = "idle"
        self._parent = ParentSilence(settings, timers.now_ms())
        fields: LogFields = {
            "intervalMs": settings.interval_ms,
            "misses": settings.misses,
            "silenceLimitMs": settings.silence_limit_ms,
            "dependent": settings.dependent,
        }
        self._log("debug", "heartbeats agreed on", fields)
        self._report()

        def on_beat() -> None:
            self._report()
            self._look(settings)

        self._beat = Beat(settings.interval_ms, timers, on_beat)

    def _look(self, settings: HeartbeatSettings) -> None:
        assert self._parent is not None
        verdict = self._parent.look(self._deps.timers.now_ms())
        if verdict is None:
            return
        message = f"Nothing was heard from the server for {settings.silence_limit_ms} ms."
        self._log("error" if verdict == "end" else "warn", message)
        if verdict == "end":
            self._end()
            self._deps.orphan()

    def _report(self) -> None:
        stats = self._deps.engine.stats() or _BEFORE_THE_ENGINE
        if not self._is_loaded:
            # Also while it is imported, when it cannot say so itself.
            stats = replace(stats, phase="loading" if self._state == "loading" else "starting")
        self._deps.send(from_worker.heartbeat(stats, rss_bytes=self._deps.rss_bytes()))

    def _generate(self, job: GenerateJob) -> None:
        if self._state == "draining":
            message = "The worker is shutting down and takes no new work."
            self._deps.send(from_worker.failed(job.call, "draining", message))
        elif self._state != "ready" or job.call in self.calls:
            self._refuse(Generate.type)
        else:
            self.calls.begin(job.call)
            self._deps.engine.generate(job)

    def _drain(self) -> None:
        if self._is_stopping:
            return
        self._state = "draining"
        if len(self.calls) == 0:
            self._drained()

    def _on_last_end(self) -> None:
        if self._state == "draining":
            self._drained()

    def _drained(self) -> None:
        self._deps.send(from_worker.drained())
        if self._exits_when_drained:
            self.stop()

    def _refuse(self, what: str) -> None:
        self._log("error", f'The orchestrator sent "{what}" while the worker is {self._state}; the worker ends.')
        self._end()
        self._deps.exit(EXIT_PROTOCOL)

    def _end(self) -> None:
        self._state = "stopped"
        if self._beat is not None:
            self._beat.stop()

    def _log(self, level: LogLevel, message: str, fields: LogFields | None = None) -> None:
        self.on_log(level, message, fields)
