"""A worker like every other whose engine does what prompts tell it to, for tests of the conversation. Standard
library only. Started as `__main__.py` is: ``python tests/scripted_worker.py worker --run-id=1 --backend=mlx``.

Path of a model, or run id for ``import``; words apart by a blank:
    import          the run id: the engine cannot be imported
    refuse, raise   the load fails, with or without being foreseen
    sleep:N         loading takes N ms, in which other threads may run
    print           a library writes to stdout and stderr
Prompt, after its last #:
    tokens:N        as many tokens, each of a text of its own; default 3
    sleep:N         each takes N ms, in which other threads may run
    spin:N          each takes N ms, in which Python computes
    size:N          each has a text of N characters
    throw:N         after N tokens the step raises
    fail            the call fails before it is accepted
    say             its end is told on stderr, too
    stray           tokens are reported of a call that nobody asked for
    freeze          the main thread says "frozen" on stderr and stands still for a minute
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "src/worker/mlx"))

from hearth_mlx.engine import (
    CallEnd,
    CallError,
    Facts,
    GenerateJob,
    Loaded,
    LoadError,
    LoadSpec,
    Messages,
    SequenceTokens,
    Sink,
    Stats,
    Text,
)
from hearth_mlx.main import main

_FREEZE_S = 60


class Row:
    def __init__(self, job: GenerateJob) -> None:
        text = prompt_text(job)
        words = text.rpartition("#")[2].split()
        self.job = job
        self.commands = {name: int(number or 1) for name, _, number in (word.partition(":") for word in words)}
        self.prompt_tokens = len(text)
        self.generated = 0
        self.credit = job.credit_tokens

    @property
    def wanted(self) -> int:
        return self.commands.get("tokens", 3)

    def end(self, reason: str) -> CallEnd:
        return CallEnd(
            call=self.job.call,
            reason=reason,  # type: ignore[arg-type]
            prompt_tokens=self.prompt_tokens,
            cached_tokens=0,
            generated_tokens=self.generated,
        )


def prompt_text(job: GenerateJob) -> str:
    match job.prompt:
        case Messages(messages):
            return messages[-1].text
        case Text(text):
            return text
        case _:
            return ""


class ScriptedEngine:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._rows: dict[int, Row] = {}
        self._steps = 0
        self._threads = 0
        self._thread = threading.get_ident()

    def estimate(self, spec: LoadSpec) -> int:
        self._obey_path(spec.path)
        return 4711

    def load(self, spec: LoadSpec) -> Loaded:
        self._sink.load_progress(0.5)
        self._obey_path(spec.path)
        self._threads = spec.threads
        facts = Facts("scripted", 0, 0, spec.context_tokens, 256, True, "cpu")
        return Loaded(spec.context_tokens, spec.slots, facts, {"file": 1.5})

    def generate(self, job: GenerateJob) -> None:
        assert threading.get_ident() == self._thread
        row = Row(job)
        if "fail" in row.commands:
            error = CallError("invalid_value", "It was told to fail.", param="prompt", detail={"limit": 3})
            self._sink.failed(job.call, error)
            return
        if "freeze" in row.commands:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        prompt = prompt_text(job) if job.echo else None
        self._sink.accepted(job.call, prompt_tokens=row.prompt_tokens, cached_tokens=0, prompt_text=prompt)
        self._rows[job.call] = row

    def credit(self, call: int, tokens: int) -> None:
        if call in self._rows:
            self._rows[call].credit += tokens

    def cancel(self, call: int) -> None:
        if call in self._rows:
            self._sink.finished(self._rows.pop(call).end("cancelled"))

    def set_threads(self, threads: int) -> None:
        self._threads = threads

    def step(self) -> bool:
        assert threading.get_ident() == self._thread
        going = [row for row in self._rows.values() if row.credit > 0]
        self._steps += bool(going)
        self._sink.tokens([tokens for row in going for tokens in self._token(row)])
        for row in going:
            if row.generated >= row.wanted:
                del self._rows[row.job.call]
                if "say" in row.commands:
                    print("ended", file=sys.stderr)
                self._sink.finished(row.end("stop"))
        return any(row.credit > 0 for row in self._rows.values())

    def stats(self) -> Stats:
        phase = "decode" if self._rows else "idle"
        active = len(self._rows)
        return Stats(phase, self._steps, 0.5, active, 0, self._threads, 0, active)  # type: ignore[arg-type]

    def close(self) -> None:
        for call in list(self._rows):
            self.cancel(call)

    def _token(self, row: Row) -> list[SequenceTokens]:
        commands = row.commands
        time.sleep(commands.get("sleep", 0) / 1000)
        until = time.monotonic() + commands.get("spin", 0) / 1000
        while time.monotonic() < until:
            pass
        if commands.get("throw") == row.generated:
            raise RuntimeError("The scripted engine was told to throw.")
        row.generated += 1
        row.credit -= 1
        said = [SequenceTokens(row.job.call, (row.generated,), f"{row.generated} ".rjust(commands.get("size", 0), "."))]
        if "stray" in commands:
            said.append(SequenceTokens(999, (1,), "stray"))
        return said

    def _obey_path(self, path: str) -> None:
        for word in path.split():
            name, _, number = word.partition(":")
            match name:
                case "refuse":
                    raise LoadError("It was told\nto be refused.", log="the end of a log\n")
                case "raise":
                    raise ValueError("It was told to raise.")
                case "sleep":
                    time.sleep(int(number) / 1000)
                case "print":
                    print("noise of a library")
                    print("more of it", file=sys.stderr)


def freeze() -> None:
    print("frozen", file=sys.stderr, flush=True)
    time.sleep(_FREEZE_S)


def make_engine(sink: Sink) -> ScriptedEngine:
    if "--run-id=import" in sys.argv:
        raise ModuleNotFoundError("No module named 'of_mlx'")
    return ScriptedEngine(sink)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, lambda *_: freeze())
    main(sys.argv[1:], make_engine)
