"""Jobs whose grammar is made ready, aside from the rows that run: a new one may take a second.

    asked ──its grammar is ready, or cannot be kept to──▶ handed over
       `── cancel ──▶ handed over at once, cancelled

One thread beside the loop makes them, one after the other; the loop is the only one that calls what is here.

Units: tokens, seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Final

from .engine import GenerateJob, Grammar
from .model import Constraints


@dataclass(slots=True)
class _Asked:
    job: GenerateJob
    ready: Future[None]
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    job: GenerateJob
    is_cancelled: bool
    # What making the grammar ready has raised.
    fault: BaseException | None


class Preparing:
    def __init__(self, constraints: Constraints) -> None:
        self._constraints: Final = constraints
        self._maker: Final = ThreadPoolExecutor(1, thread_name_prefix="grammars")
        self._asked: list[_Asked] = []

    def __len__(self) -> int:
        return len(self._asked)

    def add(self, job: GenerateJob, grammar: Grammar) -> None:
        self._asked.append(_Asked(job, self._maker.submit(self._constraints.prepare, grammar)))

    def credit(self, call: int, tokens: int) -> None:
        for one in self._asked:
            if one.job.call == call:
                one.job = replace(one.job, credit_tokens=one.job.credit_tokens + tokens)

    def cancel(self, call: int) -> None:
        for one in self._asked:
            if one.job.call == call:
                one.is_cancelled = True

    def take(self) -> Iterator[Prepared]:
        """Those that need not wait any longer, in order of arrival."""
        for one in [one for one in self._asked if one.is_cancelled or one.ready.done()]:
            self._asked.remove(one)
            is_waiting = one.is_cancelled and not one.ready.done()
            yield Prepared(one.job, one.is_cancelled, None if is_waiting else one.ready.exception())

    def wait(self, seconds: float) -> None:
        """For the first of them, and no longer."""
        wait([one.ready for one in self._asked], seconds, "FIRST_COMPLETED")

    def close(self) -> list[GenerateJob]:
        """Those that were waiting. A grammar that is being made is not waited for."""
        self._maker.shutdown(wait=False, cancel_futures=True)
        jobs = [one.job for one in self._asked]
        self._asked.clear()
        return jobs
