"""The one thread that may touch an engine: it imports and makes it, does what it is told in the order in which it
was told, and has it step for as long as it says that there is work, taking what was told meanwhile between two
steps.

    importing ──▶ waiting ◀──told──▶ stepping ──close()──▶ over
        `── fails: told to the load that waits for it      `── step() raises: over, told to `on_fault`

What the engine reports, and what comes of a command, is handed to the main thread by ``post``, in order, and never
waited for.

Errors: of ``estimate``, ``load`` and of the import: ``on_load_failed``, in one line, with the end of what libraries
        said or else of the traceback. All others: ``on_fault``.
"""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from .engine import (
    CallEnd,
    CallError,
    Engine,
    GenerateJob,
    Loaded,
    LoadError,
    LoadSpec,
    LogFields,
    LogLevel,
    SequenceTokens,
    Sink,
    Stats,
)

_LOG_TAIL_CHARS: Final = 4_096

MakeEngine = Callable[[Sink], Engine]
Post = Callable[[Callable[[], None]], None]


class CallReports(Protocol):
    """Of ``calls.py``."""

    def accepted(
        self, call: int, *, prompt_tokens: int, cached_tokens: int, prompt_text: str | None = None
    ) -> None: ...
    def tokens(self, sequences: Sequence[SequenceTokens]) -> None: ...
    def finished(self, end: CallEnd) -> None: ...
    def failed(self, call: int, error: CallError) -> None: ...


class Reports(Protocol):
    """Who is told, on the main thread. Of ``session.py``."""

    @property
    def calls(self) -> CallReports: ...
    def on_estimated(self, need_bytes: int) -> None: ...
    def on_load_progress(self, fraction: float) -> None: ...
    def on_loaded(self, found: Loaded) -> None: ...
    def on_load_failed(self, reason: str, log: str) -> None: ...
    def on_engine_closed(self) -> None: ...
    def on_log(self, level: LogLevel, message: str, fields: LogFields | None) -> None: ...


class EngineThread:
    def __init__(self, make_engine: MakeEngine, *, post: Post, on_fault: Callable[[BaseException], None]) -> None:
        self._make_engine = make_engine
        self._post = post
        self._on_fault = on_fault
        self._told: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._engine: Engine | None = None
        self._import_error: Exception | None = None
        self._is_loaded = False
        self._is_over = False

    def start(self, reports: Reports) -> None:
        self._reports = reports
        threading.Thread(target=self._run, name="engine", daemon=True).start()

    # Of the main thread: none of these waits.

    def estimate(self, spec: LoadSpec) -> None:
        self._told.put(partial(self._estimate, spec))

    def load(self, spec: LoadSpec) -> None:
        self._told.put(partial(self._load, spec))

    def generate(self, job: GenerateJob) -> None:
        self._told.put(lambda: self._made().generate(job))

    def credit(self, call: int, tokens: int) -> None:
        self._told.put(lambda: self._made().credit(call, tokens))

    def cancel(self, call: int) -> None:
        self._told.put(lambda: self._made().cancel(call))

    def set_threads(self, threads: int) -> None:
        self._told.put(lambda: self._made().set_threads(threads))

    def close(self) -> None:
        self._told.put(self._close)

    def stats(self) -> Stats | None:
        return None if self._engine is None else self._engine.stats()

    # Of the engine thread.

    def _run(self) -> None:
        try:
            self._import()
            has_work = False
            while not self._is_over:
                self._obey(waits=not has_work)
                has_work = self._is_loaded and not self._is_over and self._made().step()
        except BaseException as error:
            # A SystemExit of a library, too: a thread that ends unnoticed would leave its calls without an end.
            self._post(partial(self._on_fault, error))

    def _obey(self, *, waits: bool) -> None:
        """All that was told; ``waits``: at least one thing."""
        try:
            self._told.get(block=waits)()
            while not self._is_over:
                self._told.get_nowait()()
        except queue.Empty:
            return

    def _import(self) -> None:
        try:
            self._engine = self._make_engine(_PostingSink(self._reports, self._post))
        except Exception as error:
            self._import_error = error

    def _estimate(self, spec: LoadSpec) -> None:
        try:
            need_bytes = self._made().estimate(spec)
        except Exception as error:
            self._not_loaded(error)
        else:
            self._post(partial(self._reports.on_estimated, need_bytes))

    def _load(self, spec: LoadSpec) -> None:
        try:
            found = self._made().load(spec)
        except Exception as error:
            self._not_loaded(error)
        else:
            self._is_loaded = True
            self._post(partial(self._reports.on_loaded, found))

    def _close(self) -> None:
        self._is_over = True
        self._made().close()
        self._post(self._reports.on_engine_closed)

    def _not_loaded(self, error: Exception) -> None:
        reason, log = explain(error)
        self._post(partial(self._reports.on_load_failed, reason, log))

    def _made(self) -> Engine:
        if self._engine is None:
            assert self._import_error is not None
            raise LoadError(
                f"The backend cannot be imported: {explain(self._import_error)[0]}",
                log=explain(self._import_error)[1],
            )
        return self._engine


def explain(error: Exception) -> tuple[str, str]:
    """The reason in one line, and the end of a log."""
    if isinstance(error, LoadError):
        return _one_line(error.reason), error.log
    trace = "".join(traceback.format_exception(error))
    return _one_line(f"{type(error).__name__}: {error}"), trace[-_LOG_TAIL_CHARS:]


def _one_line(words: str) -> str:
    return " ".join(words.split())


class _PostingSink:
    """Hands what an engine reports to the main thread."""

    def __init__(self, reports: Reports, post: Post) -> None:
        self._reports = reports
        self._post = post

    def load_progress(self, fraction: float) -> None:
        self._post(partial(self._reports.on_load_progress, fraction))

    def accepted(self, call: int, *, prompt_tokens: int, cached_tokens: int, prompt_text: str | None = None) -> None:
        self._post(
            partial(
                self._reports.calls.accepted,
                call,
                prompt_tokens=prompt_tokens,
                cached_tokens=cached_tokens,
                prompt_text=prompt_text,
            )
        )

    def tokens(self, sequences: Sequence[SequenceTokens]) -> None:
        # The engine may go on to use its list.
        self._post(partial(self._reports.calls.tokens, tuple(sequences)))

    def finished(self, end: CallEnd) -> None:
        self._post(partial(self._reports.calls.finished, end))

    def failed(self, call: int, error: CallError) -> None:
        self._post(partial(self._reports.calls.failed, call, error))

    def log(self, level: LogLevel, message: str, fields: LogFields | None = None) -> None:
        self._post(partial(self._reports.on_log, level, message, fields))
