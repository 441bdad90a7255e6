"""Samplers and penalties, against the arithmetic written out in numpy."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from hearth_mlx.penalties import changes_of
from hearth_mlx.sampler import sample
from loop_support import sampling

# Probabilities 0.4, 0.3, 0.15, 0.1, 0.05, in no order.
CHANCES = [0.1, 0.4, 0.05, 0.3, 0.15]
LOGPROBS = mx.array([[math.log(chance) for chance in CHANCES]])


def drawn(count: int = 2000, **fields: Any) -> Counter[int]:
    options = sampling(**{"temperature": 1.0, **fields})
    tokens = mx.concatenate([sample(options, LOGPROBS, position) for position in range(count)])
    return Counter(np.asarray(tokens).tolist())


def test_temperature_0_and_top_k_1_are_greedy() -> None:
    assert drawn(20, temperature=0) == {1: 20}
    assert drawn(20, top_k=1, temperature=5) == {1: 20}
    assert drawn(20, temperature=1e-30) == {1: 20}
    assert drawn(20, temperature=0.001) == {1: 20}


def test_temperature_1_draws_with_the_models_chances() -> None:
    counts = drawn(4000)
    for token, chance in enumerate(CHANCES):
        assert counts[token] / 4000 == pytest.approx(chance, abs=0.03)


def test_a_high_temperature_evens_the_chances_out() -> None:
    counts = drawn(4000, temperature=100.0)
    assert all(counts[token] / 4000 == pytest.approx(0.2, abs=0.03) for token in range(5))


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"top_k": 2}, {1, 3}),
        ({"top_k": 5}, {0, 1, 2, 3, 4}),
        ({"top_k": 1000}, {0, 1, 2, 3, 4}),
        ({"top_p": 0.39}, {1}),
        ({"top_p": 0.69}, {1, 3}),
        ({"top_p": 0.71}, {1, 3, 4}),
        ({"top_p": 1e-9}, {1}),
        ({"min_p": 0.3}, {1, 3, 4}),
        ({"min_p": 1.0}, {1}),
        # Of the two that top-k leaves, the first alone has 0.4 / 0.7.
        ({"top_k": 2, "top_p": 0.5}, {1}),
        ({"top_k": 2, "top_p": 0.6}, {1, 3}),
        ({"top_p": 0.71, "min_p": 0.5}, {1, 3}),
        # Before the temperature: a high one lets nobody in.
        ({"top_p": 0.39, "temperature": 50.0}, {1}),
        ({"min_p": 0.3, "temperature": 50.0}, {1, 3, 4}),
    ],
)
def test_filters_keep_the_likeliest(fields: dict[str, float], kept: set[int]) -> None:
    assert set(drawn(1000, **fields)) == kept


def test_banned_tokens_are_never_drawn() -> None:
    banned = mx.array([[-math.inf, -1.0, -math.inf, -1.0, -math.inf]])
    for fields in ({}, {"top_k": 4}, {"top_p": 0.999999}, {"min_p": 0.0001}, {"temperature": 9.0}):
        options = sampling(**{"temperature": 1.0, **fields})
        assert {int(sample(options, banned, position).item()) for position in range(60)} == {1, 3}


def test_the_draw_hangs_on_seed_and_position_alone() -> None:
    wide = mx.zeros((1, 1000))

    def answer(seed: int) -> list[int]:
        options = sampling(temperature=1.0, seed=seed)
        return [int(sample(options, wide, position).item()) for position in range(20)]

    answers = {seed: answer(seed) for seed in (0, 1, 2, 2**31, 2**32 - 1)}
    mx.random.seed(99)
    assert answers == {seed: answer(seed) for seed in reversed(answers)}
    assert len({tuple(tokens) for tokens in answers.values()}) == 5
    assert all(len(set(tokens)) > 15 for tokens in answers.values())


def changed(tokens: list[int], prompt_tokens: int, logits: list[float], **fields: Any) -> list[float]:
    result = mx.array([logits], dtype=mx.float32)
    for change in changes_of(sampling(**fields), prompt_tokens):
        result = change(mx.array(tokens, dtype=mx.int32), result)
    return [round(float(value), 4) for value in np.asarray(result)[0]]


def test_nothing_asked_nothing_changed() -> None:
    assert changes_of(sampling(), 3) == []


def test_frequency_and_presence_count_generated_tokens_only() -> None:
    tokens = [0, 0, 1, 2, 2, 3]
    assert changed(tokens, 3, [1, 1, 1, 1, 1], frequency_penalty=0.5) == [1, 1, 0, 0.5, 1]
    assert changed(tokens, 3, [1, 1, 1, 1, 1], presence_penalty=0.25) == [1, 1, 0.75, 0.75, 1]
    assert changed(tokens, 3, [1, 1, 1, 1, 1], presence_penalty=-1, frequency_penalty=1) == [1, 1, 0, 1, 1]
    assert changed(tokens, 6, [1, 1, 1, 1, 1], presence_penalty=1, frequency_penalty=1) == [1] * 5


def test_repeat_penalty_looks_at_the_last_64_of_prompt_and_answer() -> None:
    assert changed([0, 1, 1], 2, [2, -2, 2], repeat_penalty=2.0) == [1, -4, 2]
    assert changed([0] + [1] * 64, 1, [2, 2, 2], repeat_penalty=2.0) == [2, 1, 2]
    assert changed([0] + [1] * 63, 60, [2, 2, 2], repeat_penalty=2.0) == [1, 1, 2]


def test_logit_bias_adds_and_minus_100_bans() -> None:
    bias = ((0, -100.0), (1, 1.5), (2, -99.0), (3, 100.0))
    assert changed([4], 1, [1, 1, 1, 1, 1], logit_bias=bias) == [-math.inf, 2.5, -98, 101, 1]


def test_biases_come_before_the_repeat_penalty() -> None:
    got = changed([0, 0], 1, [3, 3], logit_bias=((0, 2.0),), presence_penalty=1, repeat_penalty=2.0)
    assert got == [2, 3]
