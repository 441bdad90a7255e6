"""Puts a worker together: channel, session, engine thread, signals. The Python twin of ``src/worker/run.ts``.

Signals: SIGTERM drains and exits 0. SIGINT is left to the orchestrator: a terminal sends it to everybody, and who
         decides what Ctrl-C means is the parent.
Errors:  an exception that nobody caught, of either thread, is told in a log message and ends the process with 70.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from typing import Final, NoReturn

from . import from_worker
from .channel import Channel
from .end import EXIT_SOFTWARE, kill_own_group
from .engine_thread import EngineThread, MakeEngine
from .main_loop import MainLoop
from .rss import rss_bytes
from .session import Session, SessionDeps

# How long the last words may take when nobody reads them.
_LAST_WORDS_MS: Final = 1_000
# Of a traceback: its end says what happened.
_TRACE_CHARS: Final = 16_384


class _Worker:
    def __init__(self, fd: int, make_engine: MakeEngine) -> None:
        self._loop = MainLoop()
        self._is_exiting = False
        self._engine = EngineThread(make_engine, post=self._loop.post, on_fault=self._fail)
        self._channel = Channel(
            fd,
            watch=self._loop.watch,
            on_message=lambda message: self._session.on_message(message),
            on_close=lambda error: self._session.on_close(error),
        )
        self._session = Session(
            SessionDeps(
                timers=self._loop.timers,
                engine=self._engine,
                rss_bytes=rss_bytes,
                send=self._channel.send,
                exit=self._exit,
                orphan=kill_own_group,
            )
        )

    def run(self) -> NoReturn:
        # Begun before it is asked for: a worker is started to load a model, and importing takes longest.
        self._engine.start(self._session)
        # A handler, where SIG_IGN would be inherited by what a library starts.
        self._loop.catch(signal.SIGINT, lambda: None)
        self._loop.catch(signal.SIGTERM, self._session.on_terminate)
        while True:
            try:
                self._loop.turn(self._channel.flush)
            except Exception as error:
                if self._is_exiting:
                    os._exit(EXIT_SOFTWARE)
                self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._is_exiting:
            return
        what = "".join(traceback.format_exception(error))[-_TRACE_CHARS:]
        self._channel.send(from_worker.log("error", f"The worker failed: {what}"))
        self._exit(EXIT_SOFTWARE)

    def _exit(self, code: int) -> None:
        """``os._exit``: nothing is torn down under the other thread, which may be in native code."""
        self._is_exiting = True
        self._loop.timers.after(_LAST_WORDS_MS, lambda: os._exit(code))
        self._channel.close(lambda: os._exit(code))


def run_worker(fd: int, make_engine: MakeEngine) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        # Nothing is flushed at the end: what libraries print leaves with each line.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    os.set_blocking(fd, False)
    _Worker(fd, make_engine).run()
