"""The prefix cache: what is found, by whom, and that a hit answers as a cold run does."""

from __future__ import annotations

import mlx.core as mx
import pytest
from mlx_lm.models.cache import ArraysCache, CacheList, KVCache, RotatingKVCache, make_prompt_cache

from hearth_mlx.caches import LayerCaches, bytes_of, is_plain, own
from hearth_mlx.engine import LoadError, LoadSpec, Message
from hearth_mlx.prefix_cache import PrefixCache
from hearth_mlx.replica import load_replica
from loop_support import KINDS, MORE_KINDS, WINDOW, Bench, Messages, TinyLoader, expected, grammar, network

OPTIONS = {"max_tokens": 16, "ignore_eos": True, "temperature": 0.9, "seed": 4}


def plain(tokens: int) -> LayerCaches:
    cache = KVCache()
    values = mx.arange(tokens).reshape(1, 1, tokens, 1)
    cache.update_and_fetch(values, values)
    return [cache]


def window(tokens: int, size: int) -> LayerCaches:
    cache = RotatingKVCache(max_size=size)
    values = mx.arange(tokens).reshape(1, 1, tokens, 1)
    cache.update_and_fetch(values, values)
    return [cache, *plain(tokens)]


def state(tokens: int) -> LayerCaches:
    cache = ArraysCache(1)
    cache[0] = mx.zeros((1, 4))
    return [cache, *plain(tokens)]


def test_finds_the_longest_common_beginning_and_leaves_one_token() -> None:
    prefixes = PrefixCache(1 << 20)
    prefixes.store("t", [1, 2, 3, 4], plain(4))
    prefixes.store("t", [1, 2, 9, 9, 9, 9], plain(6))
    assert prefixes.find("t", [1, 2, 3, 4, 5])[0] == 4
    assert prefixes.find("t", [1, 2, 3, 4])[0] == 3
    assert prefixes.find("t", [1, 2, 9, 8])[0] == 3
    length, caches = prefixes.find("t", [1, 2, 7])
    assert length == 2 and caches is not None and caches[0].offset == 2
    assert prefixes.find("t", [7, 1, 2]) == (0, None)
    assert prefixes.find("t", [1]) == (0, None)
    # What was lent has not been shortened for the next one.
    assert prefixes.find("t", [1, 2, 3, 4, 5])[1][0].offset == 4  # type: ignore[index]


def test_is_never_found_by_another_tenant() -> None:
    prefixes = PrefixCache(1 << 20)
    prefixes.store("a", [1, 2, 3, 4], plain(4))
    assert prefixes.find("b", [1, 2, 3, 4, 5]) == (0, None)
    prefixes.store("b", [1, 2, 3, 4, 5, 6], plain(6))
    assert prefixes.find("a", [1, 2, 3, 4, 5, 6, 7])[0] == 4


@pytest.mark.parametrize("caches", [state, lambda tokens: window(tokens, 3)])
def test_a_cache_that_cannot_forget_serves_only_what_goes_on_where_it_ends(caches: object) -> None:
    prefixes = PrefixCache(1 << 20)
    prefixes.store("t", [1, 2, 3, 4], caches(4))  # type: ignore[operator]
    assert prefixes.find("t", [1, 2, 3, 4]) == (0, None)
    assert prefixes.find("t", [1, 2, 3, 9, 9]) == (0, None)
    assert prefixes.find("t", [1, 2, 3, 4, 5])[0] == 4
    # A longer one does not replace it, as it would if it could forget.
    prefixes.store("t", [1, 2, 3, 4, 5, 6], caches(6))  # type: ignore[operator]
    assert prefixes.find("t", [1, 2, 3, 4, 5])[0] == 4
    assert prefixes.tokens == 10


def test_a_window_that_has_not_moved_can_forget() -> None:
    prefixes = PrefixCache(1 << 20)
    prefixes.store("t", [1, 2, 3, 4], window(4, 8))
    length, caches = prefixes.find("t", [1, 2, 9])
    assert length == 2 and caches is not None and [cache.offset for cache in caches] == [2, 2]


def test_lists_of_caches_are_shortened_without_touching_what_is_kept() -> None:
    prefixes = PrefixCache(1 << 20)
    prefixes.store("t", [1, 2, 3, 4], [CacheList(*plain(4), *plain(4))])
    caches = prefixes.find("t", [1, 2, 9])[1]
    assert caches is not None and [part.offset for part in caches[0].caches] == [2, 2]
    assert prefixes.find("t", [1, 2, 3, 4, 5])[1][0].caches[0].offset == 4  # type: ignore[index]


def test_the_longest_unused_leave_when_the_bytes_are_exceeded() -> None:
    size = plain(4)[0].nbytes
    prefixes = PrefixCache(2 * size)
    for first in (1, 2):
        prefixes.store("t", [first, 5, 5, 5], plain(4))
    prefixes.find("t", [1, 5, 5])
    prefixes.store("t", [3, 5, 5, 5], plain(4))
    assert [prefixes.find("t", [first, 5, 5])[0] for first in (1, 2, 3)] == [2, 0, 2]
    assert prefixes.size_bytes == 2 * size
    prefixes.store("t", [9] * 4, [*plain(4), *plain(4), *plain(4)])
    assert prefixes.find("t", [9] * 4) == (0, None)
    PrefixCache(0).store("t", [1, 2], plain(2))


def test_a_longer_one_takes_the_place_of_a_shorter_one() -> None:
    prefixes = PrefixCache(1 << 20)
    prefixes.store("t", [1, 2], plain(2))
    prefixes.store("t", [1, 2, 3], plain(3))
    prefixes.store("t", [1, 2], plain(2))
    assert prefixes.tokens == 3


def test_a_model_that_cannot_be_batched_is_refused() -> None:
    class Other:
        def make_cache(self) -> list[object]:
            return [object()]

    assert [is_plain(network(kind)) for kind in KINDS] == [True, True, False, False]
    with pytest.raises(LoadError, match="cannot batch"):
        is_plain(Other())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_does_not_hold_the_batch_that_it_came_from(kind: str) -> None:
    model = network(kind)
    rows = []
    for _ in range(16):
        caches = make_prompt_cache(model)
        mx.eval(model(mx.array([list(range(4, 20))]), cache=caches))
        rows.append(caches)
    batch = [layer[0].merge(layer) for layer in zip(*rows, strict=True)]
    mx.eval([layer.state for layer in batch])
    del rows, caches
    before = mx.get_active_memory()
    one = own([layer.extract(3) for layer in batch])
    held = sum(layer.nbytes for layer in batch)
    del batch
    assert before - mx.get_active_memory() > held * 0.8
    assert bytes_of(one) < held / 8


def turn(*texts: str) -> Messages:
    roles = ("system", "user", "assistant", "user", "assistant", "user")
    return Messages(tuple(Message(role, text) for role, text in zip(roles, texts, strict=False)))  # type: ignore[arg-type]


SYSTEM = "you are an owl that knows a lot"
TURNS = [
    turn(SYSTEM, "who are you?"),
    turn(SYSTEM, "what is a fox?"),
    turn(SYSTEM, "who are you?", "an owl", "why?"),
    turn(SYSTEM, "who are you?", "an owl", "how so?"),
    turn(SYSTEM, "who are you?", "an owl", "how so?", "i do not know", "then ask a fox!"),
    turn("short", "x"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_hit_answers_as_a_cold_run_does(kind: str) -> None:
    bench = Bench(kind)
    cached = []
    for prompt in (*TURNS, *TURNS):
        call = bench.run(prompt, **OPTIONS)
        assert call.ids == expected(kind, prompt, 16, ignore_eos=True, temperature=0.9, seed=4)
        assert call.accepted is not None and call.end is not None
        assert call.accepted["cached"] == call.end.cached_tokens
        cached.append(call.end.cached_tokens)
    # The system prompt, then the messages before: at least as far as their borders.
    system, question, answer = len(SYSTEM) + 1, len("who are you?") + 1, len("an owl") + 1
    least = [0, system, system + question, system + question + answer, system + question + answer + 8]
    assert all(got >= wanted for got, wanted in zip(cached, least, strict=False)), cached
    assert all(got > 0 for got in cached[6:])


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_is_sent_back_is_not_read_again(kind: str) -> None:
    bench = Bench(kind)
    first = bench.run("tell me of the fox and the owl", **OPTIONS)
    again = "tell me of the fox and the owl" + first.text
    if len(again.encode()) != 30 + len(first.ids):
        pytest.skip("the random model has said a special token")
    call = bench.run(again + " go on", **OPTIONS)
    assert call.end is not None and call.end.cached_tokens >= len(again) - 1
    assert call.ids == Bench(kind, cache=0).run(again + " go on", **OPTIONS).ids


@pytest.mark.parametrize("kind", [*KINDS, *MORE_KINDS])
def test_the_same_text_again_hits_and_answers_the_same(kind: str) -> None:
    bench = Bench(kind)
    prompt = "once upon a time in a forest"
    calls = [bench.run(prompt, **OPTIONS), bench.run(prompt, **OPTIONS)]
    assert calls[0].ids == calls[1].ids
    assert calls[1].end is not None and calls[1].end.cached_tokens == len(prompt) - 1


@pytest.mark.parametrize("kind", KINDS)
def test_hits_and_cold_rows_share_a_batch(kind: str) -> None:
    bench = Bench(kind)
    prompts = [SYSTEM + end for end in (" a", " and what?", "")] + ["short", "s" * 3 * WINDOW]
    for prompt in prompts[:2]:
        bench.run(prompt, **OPTIONS)
    calls = [bench.start(prompt, **OPTIONS) for prompt in prompts]
    bench.finish()
    cold = Bench(kind, cache=0)
    assert [bench.call(call).ids for call in calls] == [cold.run(prompt, **OPTIONS).ids for prompt in prompts]
    assert any(bench.call(call).end.cached_tokens for call in calls)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancelled_prompt_is_not_read_again(kind: str) -> None:
    bench = Bench(kind, context=3000)
    text = "".join(chr(97 + n * n % 23) for n in range(1100))
    call = bench.start(text, **OPTIONS)
    bench.engine.step()
    bench.engine.cancel(call)
    bench.finish()
    again = bench.run(text, **OPTIONS)
    # One chunk, before the rate is known.
    assert again.end is not None and again.end.cached_tokens == 64
    assert again.ids == Bench(kind, context=3000, cache=0).run(text, **OPTIONS).ids


def test_kept_beginnings_make_room_for_running_rows() -> None:
    # Of the tiny model, 512 bytes a token: more than what is free in any case.
    spec = LoadSpec("tiny", 4096, 64, 1, "off")
    replica = load_replica(TinyLoader(network("llama")), spec, print, None)
    limits = [replica.prefixes.max_bytes]
    for tokens in (0, 64 * 1024, 64 * 3072, 64 * 4096):
        replica.limit_prefixes(tokens)
        limits.append(replica.prefixes.max_bytes)
    assert limits == [128 << 20, 128 << 20, 96 << 20, 64 << 20, 64 << 20]
    replica.prefixes.store("t", [1, 2, 3], plain(3))
    replica.prefixes.limit(1)
    assert replica.prefixes.find("t", [1, 2, 3]) == (0, None)
    fixed = load_replica(TinyLoader(network("llama")), spec, print, 1000)
    fixed.limit_prefixes(5)
    assert fixed.prefixes.max_bytes == 1000


def test_without_a_number_the_engine_keeps_beginnings_too() -> None:
    bench = Bench(cache=None)
    bench.run(SYSTEM, **OPTIONS)
    warm = bench.run(SYSTEM, **OPTIONS)
    assert warm.end is not None and warm.end.cached_tokens == len(SYSTEM) - 1


def test_another_tenants_beginning_is_read_anew() -> None:
    bench = Bench()
    bench.run(SYSTEM, **OPTIONS)
    other = bench.run(SYSTEM, tenant="other", **OPTIONS)
    assert other.end is not None and other.end.cached_tokens == 0


def test_a_hit_works_with_penalties_and_grammars() -> None:
    bench, cold = Bench(), Bench(cache=0)
    options = {**OPTIONS, "repeat_penalty": 1.3, "frequency_penalty": 0.7, "presence_penalty": 0.3}
    bench.run(SYSTEM + " a", **options)
    warm = bench.run(SYSTEM + " b", **options)
    assert warm.end is not None and warm.end.cached_tokens == len(SYSTEM) + 1
    assert warm.ids == cold.run(SYSTEM + " b", **options).ids
    assert bench.run(SYSTEM, max_tokens=5, grammar=grammar("cycle:abc")).text == "abcab"
