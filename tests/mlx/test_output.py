from typing import Any

from clock import Clock
from hearth_mlx.engine import SequenceTokens
from hearth_mlx.output import GATHER_MS, Output


def make() -> tuple[Clock, Output, list[Any]]:
    clock, frames = Clock(), []
    return clock, Output(lambda step: frames.append(step["sequences"]), clock.timers), frames


def said(call: int, ids: list[int], text: str) -> dict[str, Any]:
    return {"call": call, "ids": ids, "text": text}


def test_sends_the_first_token_of_a_call_at_once_and_gathers_the_later_ones() -> None:
    clock, output, frames = make()
    output.tokens([SequenceTokens(1, (10,), "a")])
    assert frames == [[said(1, [10], "a")]]
    output.tokens([SequenceTokens(1, (11,), "b")])
    output.tokens([SequenceTokens(1, (12,), "")])
    clock.advance(GATHER_MS - 1)
    assert len(frames) == 1
    clock.advance(1)
    assert frames[1] == [said(1, [11, 12], "b")]
    assert clock.timers.wait_ms() is None


def test_what_is_gathered_leaves_with_the_first_token_of_another_call() -> None:
    clock, output, frames = make()
    output.tokens([SequenceTokens(1, (10,), "a")])
    output.tokens([SequenceTokens(1, (11,), "b")])
    output.tokens([SequenceTokens(1, (12,), "c"), SequenceTokens(2, (20,), "x")])
    assert frames[1] == [said(1, [11, 12], "bc"), said(2, [20], "x")]
    assert clock.timers.wait_ms() is None


def test_what_is_gathered_leaves_before_the_end_of_its_call_in_one_frame_for_all() -> None:
    _, output, frames = make()
    output.tokens([SequenceTokens(1, (10,), "a"), SequenceTokens(2, (20,), "x")])
    output.tokens([SequenceTokens(1, (11,), "b"), SequenceTokens(2, (21,), "y")])
    output.end(2)
    assert frames[1] == [said(1, [11], "b"), said(2, [21], "y")]
    output.end(1)
    assert len(frames) == 2


def test_sends_text_that_was_held_back_to_the_end_and_nothing_for_nothing() -> None:
    _, output, frames = make()
    output.tokens([SequenceTokens(1, (), "")])
    assert frames == []
    output.tokens([SequenceTokens(1, (10,), "")])
    output.tokens([SequenceTokens(1, (), "held")])
    output.end(1)
    assert frames == [[said(1, [10], "")], [said(1, [], "held")]]
