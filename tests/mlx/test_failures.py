"""What goes wrong in one row stays there; what goes wrong in a step is undone, once."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models.cache import BatchKVCache, KVCache

from hearth_mlx.engine import Tokens
from hearth_mlx.loop import StepError
from loop_support import KINDS, Bench, expected, grammar, network

NEIGHBOURS = ["a fox", "the owl said nothing", "once upon a time"]
LONG = {"max_tokens": 20, "ignore_eos": True, "temperature": 0.9, "seed": 11}

# None of the neighbours says it.
HOLE = 1
HOLED = Tokens((ord("h"), HOLE))


class Faulty:
    """A model that raises in some of its calls, and may have no numbers for what follows ``HOLE``."""

    def __init__(self, kind: str, *, has_hole: bool = False) -> None:
        self._has_hole = has_hole
        self._inner = network(kind)
        self.raises_at: set[int] = set()
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __call__(self, tokens: mx.array, cache: Any = None) -> mx.array:
        self.calls += 1
        logits = self._inner(tokens, cache=cache)
        if self.calls in self.raises_at:
            # As a command buffer that fails: the caches have been written to.
            raise RuntimeError("[METAL] out of memory")
        if not self._has_hole:
            return logits
        return mx.where((tokens == HOLE)[..., None], mx.nan, logits)


def answers(kind: str = "llama") -> list[list[int]]:
    return [expected(kind, prompt, 20, temperature=0.9, seed=11, ignore_eos=True) for prompt in NEIGHBOURS]


@pytest.mark.parametrize("where", ["mask", "settle"])
@pytest.mark.parametrize("position", [0, 4])
@pytest.mark.parametrize("error", ["bug", "refused"])
def test_a_row_whose_grammar_raises_fails_alone(where: str, position: int, error: str) -> None:
    bench = Bench(slots=6, cache=0)
    calls = [bench.start(prompt, **LONG) for prompt in NEIGHBOURS[:2]]
    broken = bench.start("x", max_tokens=20, grammar=grammar(f"broken:{where},{position},{error}"))
    calls.append(bench.start(NEIGHBOURS[2], **LONG))
    bench.finish()
    assert [bench.call(call).ids for call in calls] == answers()
    failed = bench.call(broken)
    assert failed.error is not None and failed.error.code == ("internal" if error == "bug" else "unsupported_parameter")
    assert failed.ids == expected("llama", "x", position)
    assert bench.engine.stats().active == 0


def test_a_fault_after_the_end_of_the_answer_is_none() -> None:
    call = Bench().run("x", max_tokens=4, grammar=grammar("broken:mask,4,bug"))
    assert call.error is None and call.ids == expected("llama", "x", 4)


def test_a_row_without_numbers_fails_alone() -> None:
    bench = Bench(Faulty("llama", has_hole=True), slots=6)
    calls = [bench.start(prompt, **LONG) for prompt in NEIGHBOURS]
    bad = [
        bench.start(HOLED, temperature=0.5),
        bench.start(HOLED),
        bench.start(HOLED, grammar=grammar("cycle:ab")),
    ]
    bench.finish()
    assert [bench.call(call).ids for call in calls] == answers()
    for call in bad:
        error = bench.call(call).error
        assert error is not None and error.code == "internal" and "not finite" in error.message
    # Nor does it leave anything in the cache.
    assert bench.run(Tokens((ord("h"), HOLE, ord("x"))), max_tokens=1).accepted == {
        "prompt": 3,
        "cached": 0,
        "text": None,
    }


def test_a_row_without_numbers_fails_when_it_pauses_before_them() -> None:
    bench = Bench(Faulty("llama", has_hole=True))
    call = bench.start("x", credit=1, max_tokens=5, logit_bias=((HOLE, 1000.0),))
    bench.finish()
    assert bench.call(call).ids == [HOLE]
    bench.engine.credit(call, 5)
    bench.finish()
    error = bench.call(call).error
    assert error is not None and error.code == "internal"
    assert bench.call(call).ids == [HOLE]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("after", [1, 3, 6, 12])
def test_a_step_that_raises_is_undone_and_nobody_notices(kind: str, after: int) -> None:
    model = Faulty(kind)
    bench = Bench(model, slots=6)
    calls = [bench.start(prompt, **LONG) for prompt in NEIGHBOURS]
    cycle = bench.start("x", max_tokens=20, grammar=grammar("cycle:abcdefg", after=None))
    swap = bench.start("y", max_tokens=20, grammar=grammar("swap"))
    paused = bench.start("zz", credit=2, **LONG)
    model.raises_at = {model.calls + after}
    bench.finish()
    bench.engine.credit(paused, 100)
    bench.finish()
    assert len(bench.sink.logs) == 1 and "out of memory" in bench.sink.logs[0]
    assert [bench.call(call).ids for call in calls] == answers(kind)
    assert bench.call(cycle).text == "abcdefgabcdefgabcdef"
    calm = Bench(kind, slots=6)
    assert bench.call(swap).text == calm.run("y", max_tokens=20, grammar=grammar("swap")).text
    assert bench.call(paused).ids == calm.run("zz", **LONG).ids


def test_twice_in_a_row_is_the_end_of_the_process() -> None:
    model = Faulty("llama")
    bench = Bench(model)
    bench.start("a fox", **LONG)
    bench.engine.step()
    model.raises_at = set(range(model.calls + 1, model.calls + 100))
    assert bench.engine.step() is True
    with pytest.raises(StepError, match=r"twice in a row.*out of memory"):
        bench.engine.step()


def test_a_row_that_can_be_read_but_not_continued_is_the_end_too() -> None:
    model = Faulty("llama")
    bench = Bench(model)
    calls = [bench.start(prompt, **LONG) for prompt in NEIGHBOURS]
    bench.until(lambda: all(len(bench.call(call).ids) > 2 for call in calls))
    # Whoever is read first has been given tokens again by then; the last one has not.
    model.raises_at = {model.calls + 1, model.calls + 5}
    with pytest.raises(StepError):
        bench.finish()


def test_once_and_then_once_more_much_later_is_not_twice_in_a_row() -> None:
    model = Faulty("llama")
    bench = Bench(model)
    calls = [bench.start(prompt, **LONG) for prompt in NEIGHBOURS]
    model.raises_at = {model.calls + 4, model.calls + 20}
    bench.finish()
    assert len(bench.sink.logs) == 2
    assert [bench.call(call).ids for call in calls] == answers()


def test_new_calls_after_a_failed_step_are_right() -> None:
    model = Faulty("llama")
    bench = Bench(model)
    model.raises_at = {model.calls + 1}
    assert bench.run(NEIGHBOURS[0], **LONG).ids == answers()[0]
    assert bench.run(NEIGHBOURS[1], **LONG).ids == answers()[1]


class FragileBatch(BatchKVCache):
    raises = 0

    def extract(self, idx: int) -> KVCache:
        if FragileBatch.raises > 0:
            FragileBatch.raises -= 1
            raise RuntimeError("[METAL] lost device")
        return super().extract(idx)


class Fragile(KVCache):
    @classmethod
    def merge(cls, caches: list[KVCache]) -> BatchKVCache:
        batch = BatchKVCache.merge(caches)
        batch.__class__ = FragileBatch
        return batch


class FragileModel:
    def __init__(self) -> None:
        self._inner = network("llama")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __call__(self, tokens: mx.array, cache: Any = None) -> mx.array:
        return self._inner(tokens, cache=cache)

    def make_cache(self) -> list[KVCache]:
        return [Fragile() for _ in self._inner.layers]


def test_a_cache_that_cannot_be_taken_out_costs_nobody_an_answer() -> None:
    bench = Bench(FragileModel(), slots=6)
    calls = [bench.start(prompt, **LONG) for prompt in NEIGHBOURS]
    short = bench.start("x", max_tokens=2, ignore_eos=True)
    paused = bench.start("zz", credit=4, **LONG)
    FragileBatch.raises = 1
    bench.until(lambda: bench.call(short).is_over)
    end = bench.call(short).end
    assert end is not None and end.reason == "length" and len(bench.sink.logs) == 1
    bench.until(lambda: len(bench.call(paused).ids) == 3)
    FragileBatch.raises = 1
    bench.finish()
    assert FragileBatch.raises == 0 and len(bench.sink.logs) == 2
    bench.engine.credit(paused, 100)
    bench.finish()
    assert [bench.call(call).ids for call in calls] == answers()
    assert bench.call(paused).ids == expected("llama", "zz", 20, temperature=0.9, seed=11, ignore_eos=True)
    assert bench.call(short).ids == expected("llama", "x", 2, ignore_eos=True)
