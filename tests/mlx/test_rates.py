"""How much of a prompt one step reads."""

from __future__ import annotations

from hearth_mlx.rates import StepRates


def measured(tokens_per_ms: float, *, steps: int = 20) -> StepRates:
    rates = StepRates()
    for _ in range(steps):
        rates.record(prompt_tokens=100, decoding=0, ms=100 / tokens_per_ms)
    return rates


def test_before_anything_is_known_a_chunk_is_small() -> None:
    assert StepRates().chunk_tokens(decoding=1) == 64
    assert StepRates().chunk_tokens(decoding=0) == 64


def test_a_chunk_holds_up_running_rows_for_150_ms() -> None:
    assert measured(1).chunk_tokens(decoding=3) == 150
    assert measured(2).chunk_tokens(decoding=3) == 300


def test_where_decode_steps_are_slow_it_holds_them_up_for_six_of_them() -> None:
    rates = measured(1)
    rates.record(prompt_tokens=0, decoding=2, ms=60)
    assert rates.chunk_tokens(decoding=2) == 360
    assert rates.chunk_tokens(decoding=2, priority="low") == 120
    rates.record(prompt_tokens=0, decoding=1, ms=10)
    assert rates.chunk_tokens(decoding=1) == 150


def test_and_never_for_longer_than_600_ms() -> None:
    rates = measured(0.5)
    rates.record(prompt_tokens=0, decoding=1, ms=2000)
    assert rates.chunk_tokens(decoding=1) == 300


def test_a_prompt_of_the_low_class_holds_them_up_for_a_third_of_that() -> None:
    assert measured(1).chunk_tokens(decoding=3, priority="low") == 50
    assert measured(1).chunk_tokens(decoding=3, priority="high") == 150
    assert measured(0.2).chunk_tokens(decoding=0, priority="low") == 300


def test_a_chunk_is_never_smaller_than_16_or_larger_than_512() -> None:
    assert measured(0.001).chunk_tokens(decoding=1) == 16
    assert measured(1000).chunk_tokens(decoding=1) == 512


def test_alone_a_chunk_is_bounded_by_how_long_a_cancel_may_wait() -> None:
    assert measured(1).chunk_tokens(decoding=0) == 512
    assert measured(0.1).chunk_tokens(decoding=0) == 150


def test_what_decoding_takes_is_taken_off() -> None:
    rates = StepRates()
    rates.record(prompt_tokens=0, decoding=2, ms=50)
    rates.record(prompt_tokens=100, decoding=3, ms=150)
    assert rates.chunk_tokens(decoding=1) == 150


def test_a_handful_of_tokens_says_nothing() -> None:
    rates = StepRates()
    rates.record(prompt_tokens=15, decoding=0, ms=1000)
    assert rates.chunk_tokens(decoding=1) == 64


def test_a_machine_that_slows_down_is_followed_within_a_few_steps() -> None:
    rates = measured(2)
    for _ in range(10):
        rates.record(prompt_tokens=100, decoding=0, ms=400)
    assert rates.chunk_tokens(decoding=1) < 50
