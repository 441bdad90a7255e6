"""The decode loop on MLX: the one writer of the rows of this replica. The twin of
``src/worker/backends/llama-cpp/{backend,loop}.ts``.

    new ──load()──▶ loaded ──close()──▶ closed

Between two steps, and only there, rows join, leave, pause, go on and are cancelled; so a cancel takes effect
within one step, also inside a long prompt. A row that has no credit left is parked: taken out of the decode
batch with its cache and with the token that was sampled ahead, and put back when it has credit, to the same end
as if nothing had happened. It keeps its slot.

When a step raises, the batch is worth nothing: it is thrown away, and every row is read again from its prompt
and what its reader has been given. When that happens again before all of these have been given a token, this
process cannot be trusted, and the error goes out of ``step``.

Units:  tokens, milliseconds of a monotonic clock.
Errors: ``LoadError`` of ``estimate`` and ``load``. ``step`` raises ``StepError``: end the process. What concerns
        one call goes to ``Sink.failed``, and the others go on.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from dataclasses import replace
from typing import Final

import mlx.core as mx

from .batch import Sampled
from .engine import CallError, Engine, GenerateJob, Loaded, LoadSpec, Phase, Priority, Sink, Stats
from .jobs import read_job, unread
from .rates import StepRates
from .replica import Loader, Replica, load_replica
from .report import StepReport
from .rows import Row

_PRIORITIES: Final[tuple[Priority, ...]] = ("high", "normal", "low")


# How long an idle loop waits for a grammar before it looks whether something else was asked.
_LOOK_SECONDS: Final = 0.005


class StepError(Exception):
    """The model cannot compute. One line, for whoever ends the process."""


_NEW: Final = Stats(phase="starting", steps=0, step_ms=0, active=0, waiting=0, threads=0, gpu_bytes=0, kv_used_tokens=0)


class MlxEngine(Engine):
    def __init__(self, sink: Sink, loader: Loader, *, prefix_cache_bytes: int | None = None) -> None:
        """``prefix_cache_bytes`` for beginnings of prompts; None: what the running rows leave of their memory, which
        is ``slots * context_tokens * kv_bytes_per_token``."""
        self._sink = sink
        self._loader = loader
        self._prefix_cache_bytes = prefix_cache_bytes
        self._replica: Replica | None = None
        self._rates = StepRates()
        self._waiting: deque[Row] = deque()
        # In a slot, in order of arrival: in the batch, or on the way into it, or parked.
        self._rows: list[Row] = []
        # A step has failed; and who was in it, has been read again and has not been given a token since.
        self._has_failed = False
        self._unproven: set[Row] = set()
        # Read by other threads: replaced, never changed.
        self._stats = _NEW
        self._step_started: float | None = None

    def estimate(self, spec: LoadSpec) -> int:
        return self._loader.estimate(spec)

    def load(self, spec: LoadSpec) -> Loaded:
        self._stats = replace(_NEW, phase="loading", threads=spec.threads)
        self._replica = load_replica(self._loader, spec, self._tell_progress, self._prefix_cache_bytes)
        self._publish("idle")
        return self._replica.loaded

    def generate(self, job: GenerateJob) -> None:
        replica = self._loaded()
        if job.grammar is None or replica.model.constraints.knows(job.grammar):
            self._take(job)
        else:
            replica.preparing.add(job, job.grammar)
            self._publish(self._stats.phase)

    def _take(self, job: GenerateJob) -> None:
        replica = self._loaded()
        try:
            row = read_job(job, replica.model, replica.loaded.context_tokens)
        except CallError as error:
            self._sink.failed(job.call, error)
            return
        except Exception as error:
            self._sink.failed(job.call, CallError("internal", f"The request could not be read: {error}"))
            return
        if job.max_tokens == 0:
            # The prompt is counted and echoed, nothing is computed.
            self._accept(row)
            self._sink.finished(row.end("length"))
            return
        self._waiting.append(row)
        self._publish(self._stats.phase)

    def credit(self, call: int, tokens: int) -> None:
        row = self._find(call)
        if row is not None:
            row.credit_tokens += tokens
        elif self._replica is not None:
            self._replica.preparing.credit(call, tokens)

    def cancel(self, call: int) -> None:
        row = self._find(call)
        if row is not None:
            row.is_cancelled = True
        elif self._replica is not None:
            self._replica.preparing.cancel(call)

    def set_threads(self, threads: int) -> None:
        """MLX knows no such number: it is reported, no more."""
        self._stats = replace(self._stats, threads=threads)

    def stats(self) -> Stats:
        stats, started = self._stats, self._step_started
        return stats if started is None else replace(stats, step_ms=(time.monotonic() - started) * 1000)

    def close(self) -> None:
        for row in [*self._rows, *self._waiting]:
            self._sink.finished(row.end("cancelled"))
        self._rows.clear()
        self._waiting.clear()
        if self._replica is None:
            return
        for job in self._replica.preparing.close():
            self._sink.finished(unread(job))
        self._publish("idle")
        self._replica.batch.close()
        self._replica = None
        gc.collect()
        mx.clear_cache()

    def step(self) -> bool:
        replica = self._replica
        if replica is None:
            return False
        self._take_prepared(replica)
        try:
            self._settle(replica)
            if not replica.batch.rows:
                self._rest()
                replica.preparing.wait(_LOOK_SECONDS)
                return len(replica.preparing) > 0
            self._compute(replica)
        except Exception as error:
            self._rebuild(replica, error)
        else:
            self._has_failed = self._has_failed and bool(self._unproven)
        return True

    def _take_prepared(self, replica: Replica) -> None:
        for prepared in replica.preparing.take():
            job, fault = prepared.job, prepared.fault
            if prepared.is_cancelled:
                self._sink.finished(unread(job))
            elif fault is None:
                self._take(job)
            elif isinstance(fault, CallError):
                self._sink.failed(job.call, fault)
            else:
                self._sink.failed(job.call, CallError("internal", f"The grammar could not be read: {fault}"))

    def _settle(self, replica: Replica) -> None:
        """Cancelled rows leave, parked ones go on, waiting ones join."""
        report = StepReport()
        for row in self._rows:
            if row.is_cancelled:
                report.end(row, "cancelled")
            elif row.pending is not None and row.credit_tokens > 0:
                token, row.pending = row.pending, None
                report.token(row, token)
        for row in [row for row in self._waiting if row.is_cancelled]:
            self._waiting.remove(row)
            report.end(row, "cancelled")
        self._leave(replica, report)
        while self._waiting and len(self._rows) < replica.loaded.slots:
            self._join(replica, self._waiting.popleft())
        # Prompts are read one after the other: two side by side would both end late.
        for row in sorted(self._rows, key=lambda row: _PRIORITIES.index(row.job.priority)):
            is_out = row.uid is None and row.credit_tokens > 0
            if is_out and (len(row.ids) - row.covered == 1 or replica.batch.reading is None):
                replica.batch.insert(row)

    def _join(self, replica: Replica, row: Row) -> None:
        row.covered, row.caches = replica.prefixes.find(row.job.tenant, row.prompt.ids)
        row.cached_tokens = row.covered
        self._rows.append(row)
        self._accept(row)

    def _accept(self, row: Row) -> None:
        self._sink.accepted(
            row.job.call,
            prompt_tokens=len(row.prompt.ids),
            cached_tokens=row.cached_tokens,
            prompt_text=row.prompt.text if row.job.echo else None,
        )

    def _compute(self, replica: Replica) -> None:
        batch = replica.batch
        decoding = batch.decoding
        reading = batch.reading
        priority = "normal" if reading is None else reading.job.priority
        chunk_tokens = self._rates.chunk_tokens(decoding=decoding, priority=priority)
        self._publish("decode" if reading is None else "prefill")
        replica.limit_prefixes(self._row_tokens)
        started = time.monotonic()
        self._step_started = started
        try:
            news = batch.next(chunk_tokens)
        finally:
            self._step_started = None
            self._stats = replace(self._stats, steps=self._stats.steps + 1)
        ms = (time.monotonic() - started) * 1000
        self._rates.record(prompt_tokens=news.prompt_tokens, decoding=decoding, ms=ms)
        self._deliver(replica, news.sampled)
        for row in news.at_border:
            caches, ids = batch.peek(row)
            replica.prefixes.store(row.job.tenant, ids, caches)
        self._park(replica)

    def _deliver(self, replica: Replica, sampled: list[Sampled]) -> None:
        report = StepReport()
        for one in sampled:
            one.row.chain.check(one.row.position, one.token, one.logprobs)
            report.token(one.row, one.token)
            self._unproven.discard(one.row)
        self._leave(replica, report)

    def _leave(self, replica: Replica, report: StepReport) -> None:
        """Tells what happened, and takes out who is done. Readers first: what follows may take a while, and may
        fail."""
        gone = {*report.ended, *report.failed}
        if gone:
            self._rows = [row for row in self._rows if row not in gone]
            self._unproven -= gone
        report.send(self._sink)
        for row in report.ended:
            self._keep(replica, row)
        replica.batch.remove(gone)

    def _keep(self, replica: Replica, row: Row) -> None:
        """What it has computed may be the beginning of another prompt."""
        caches, ids = (row.caches, row.ids[: row.covered]) if row.uid is None else replica.batch.peek(row)
        if caches is not None:
            replica.prefixes.store(row.job.tenant, ids, caches)

    def _park(self, replica: Replica) -> None:
        """Who has no credit left leaves the batch, with what was sampled ahead."""
        parked = [row for row in replica.batch.rows if row.credit_tokens <= 0]
        taken = [(row, row.chain.take_last(), *replica.batch.peek(row)) for row in parked]
        replica.batch.remove(parked)
        for row, pending, caches, ids in taken:
            row.pending = pending
            row.caches, row.covered = caches, len(ids)
            self._unproven.discard(row)

    def _rebuild(self, replica: Replica, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        # Not those that have ended, and were about to be taken out.
        rows = [row for row in replica.batch.rows if row in self._rows]
        self._sink.log("error", "decode step failed", {"reason": reason, "sequences": len(rows)})
        if self._has_failed:
            raise StepError(f"The model could not compute a step, twice in a row: {reason}") from error
        self._has_failed = True
        replica.replace_batch()
        report = StepReport()
        for row in rows:
            try:
                row.start_over()
                if row.credit_tokens > 0:
                    self._unproven.add(row)
            except CallError as fault:
                report.failure(row, fault)
        self._leave(replica, report)

    def _rest(self) -> None:
        if self._stats.phase != "idle":
            mx.clear_cache()
        self._publish("idle")

    def _publish(self, phase: Phase) -> None:
        replica = self._loaded()
        self._stats = replace(
            self._stats,
            phase=phase,
            active=len(self._rows),
            waiting=len(self._waiting) + len(replica.preparing),
            gpu_bytes=mx.get_active_memory() if mx.default_device().type == mx.gpu else 0,
            kv_used_tokens=self._row_tokens + replica.prefixes.tokens,
        )

    def _tell_progress(self, fraction: float) -> None:
        self._sink.load_progress(min(1.0, max(0.0, fraction)))

    @property
    def _row_tokens(self) -> int:
        return sum(row.held_tokens for row in self._rows)

    def _find(self, call: int) -> Row | None:
        return next((row for row in (*self._rows, *self._waiting) if row.job.call == call), None)

    def _loaded(self) -> Replica:
        if self._replica is None:
            raise StepError("No model is loaded; load() comes first.")
        return self._replica
