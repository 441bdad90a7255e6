"""A grammar that is not ready holds up nobody but those who have asked for it."""

from __future__ import annotations

from hearth_mlx.engine import CallError
from loop_support import Bench, expected, grammar


def test_others_run_while_a_grammar_is_made_ready() -> None:
    bench = Bench()
    constrained = bench.start("x", max_tokens=4, grammar=grammar("slow:cycle:ab"))
    free = bench.start("a fox", max_tokens=8, ignore_eos=True)
    bench.until(lambda: bench.call(free).is_over)
    assert bench.call(free).ids == expected("llama", "a fox", 8, ignore_eos=True)
    assert bench.call(constrained).accepted is None
    assert bench.engine.stats().waiting == 1
    # Nothing but it is left, and the loop still says that there is work.
    assert bench.engine.step()
    bench.loader.constraints.go_on.set()
    bench.finish()
    assert bench.call(constrained).text == "abab"


def test_credit_and_cancel_reach_those_that_wait_for_a_grammar() -> None:
    bench = Bench()
    paused = bench.start("x", max_tokens=4, grammar=grammar("slow:cycle:ab"), credit=1)
    cancelled = bench.start("x", max_tokens=4, grammar=grammar("slow:cycle:cd"))
    bench.engine.cancel(cancelled)
    bench.until(lambda: bench.call(cancelled).is_over)
    end = bench.call(cancelled).end
    assert end is not None and end.reason == "cancelled"
    bench.engine.credit(paused, 9)
    bench.loader.constraints.go_on.set()
    bench.finish()
    assert bench.call(paused).text == "abab"


def test_a_grammar_that_cannot_be_kept_to_fails_its_call_alone() -> None:
    bench = Bench()
    bench.loader.constraints.go_on.set()
    refused = bench.start("x", grammar=grammar("slow:refused"))
    fine = bench.start("x", max_tokens=4, grammar=grammar("slow:cycle:ab"))
    bench.finish()
    error = bench.call(refused).error
    assert isinstance(error, CallError) and error.code == "unsupported_parameter"
    assert bench.call(fine).text == "abab"


def test_closing_ends_those_that_wait_for_a_grammar() -> None:
    bench = Bench()
    waiting = bench.start("x", grammar=grammar("slow:cycle:ab"))
    bench.engine.close()
    end = bench.call(waiting).end
    assert end is not None and end.reason == "cancelled"
    bench.loader.constraints.go_on.set()
