"""What one step has to tell, gathered so that all tokens of a step go out together and ends come after them."""

from __future__ import annotations

from .engine import CallEnd, CallError, EndReason, SequenceTokens, Sink
from .rows import Row


class StepReport:
    def __init__(self) -> None:
        self._tokens: list[SequenceTokens] = []
        self._ends: list[tuple[Row, CallEnd]] = []
        self._failures: list[tuple[Row, CallError]] = []

    @property
    def ended(self) -> list[Row]:
        return [row for row, _ in self._ends]

    @property
    def failed(self) -> list[Row]:
        return [row for row, _ in self._failures]

    def token(self, row: Row, token: int) -> None:
        """The row's next token, unless something is wrong with it."""
        fault = row.chain.fault_at(row.position)
        if fault is not None:
            self.failure(row, fault)
            return
        accepted = row.accept(token)
        if accepted.is_token or accepted.text != "":
            ids = (token,) if accepted.is_token else ()
            self._tokens.append(SequenceTokens(row.job.call, ids, accepted.text))
        if accepted.reason is not None:
            self.end(row, accepted.reason, accepted.stop)

    def end(self, row: Row, reason: EndReason, stop: str | None = None) -> None:
        self._ends.append((row, row.end(reason, stop)))

    def failure(self, row: Row, error: CallError) -> None:
        self._failures.append((row, error))

    def send(self, sink: Sink) -> None:
        if self._tokens:
            sink.tokens(self._tokens)
        for _, end in self._ends:
            sink.finished(end)
        for row, error in self._failures:
            sink.failed(row.job.call, error)
