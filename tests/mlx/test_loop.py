"""The loop: what calls get, alone and beside others, whatever happens to the others."""

from __future__ import annotations

import random
import threading
from typing import Any

import mlx.core as mx
import pytest

from hearth_mlx.engine import Tokens
from loop_support import END, KINDS, MORE_KINDS, Bench, expected, grammar, network

PROMPTS = ["a fox", "the owl said nothing at all to the fox", "x", "once upon a time there was", "hm, so?"]


@pytest.mark.parametrize("kind", [*KINDS, *MORE_KINDS])
def test_greedy_is_what_the_model_says_and_the_same_in_a_batch(kind: str) -> None:
    bench = Bench(kind, cache=0)
    alone = [bench.run(prompt, max_tokens=30, ignore_eos=True).ids for prompt in PROMPTS]
    assert alone == [expected(kind, prompt, 30, ignore_eos=True) for prompt in PROMPTS]
    assert len({tuple(ids) for ids in alone}) == len(PROMPTS)
    calls = [bench.start(prompt, max_tokens=30, ignore_eos=True) for prompt in PROMPTS]
    bench.finish()
    assert [bench.call(call).ids for call in calls] == alone
    assert max(bench.sink.batches) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_answer_in_a_batch(kind: str) -> None:
    options = [{"temperature": 1.0, "seed": seed, "max_tokens": 24, "ignore_eos": True} for seed in range(4)]
    bench = Bench(kind, cache=0)
    alone = [bench.run("owl", **one).ids for one in options]
    assert alone == [expected(kind, "owl", 24, temperature=1.0, seed=n, ignore_eos=True) for n in range(4)]
    assert len({tuple(ids) for ids in alone}) == 4
    calls = [bench.start("owl", **one) for one in options]
    bench.finish()
    assert [bench.call(call).ids for call in calls] == alone


def test_a_model_of_half_precision_is_sampled_in_float32() -> None:
    model = network.__wrapped__("llama")
    model.set_dtype(mx.bfloat16)
    bench = Bench(model, cache=0)
    calls = [bench.start(prompt, temperature=1.0, seed=1, top_p=0.9, max_tokens=6) for prompt in PROMPTS]
    bench.finish()
    assert all(bench.call(call).error is None and bench.call(call).ids for call in calls)


def test_max_tokens_0_counts_the_prompt_and_computes_nothing() -> None:
    bench = Bench()
    call = bench.call(bench.start("a fox", max_tokens=0, echo=True))
    assert bench.engine.step() is False
    assert call.accepted == {"prompt": 5, "cached": 0, "text": "a fox"}
    assert call.end is not None and (call.end.reason, call.end.generated_tokens, call.ids) == ("length", 0, [])
    assert bench.engine.stats().steps == 0


def test_without_a_limit_the_answer_ends_with_the_context() -> None:
    call = Bench(context=40).run("a fox", max_tokens=None, ignore_eos=True)
    assert call.end is not None and call.end.reason == "length"
    assert call.end.prompt_tokens + call.end.generated_tokens == 40
    assert call.ids == expected("llama", "a fox", 35, ignore_eos=True)


def test_max_tokens_beyond_the_context_end_with_it() -> None:
    call = Bench(context=20).run("a fox", max_tokens=1000, ignore_eos=True)
    assert call.end is not None and (call.end.reason, call.end.generated_tokens) == ("length", 15)


def test_the_end_token_ends_the_answer_and_is_not_in_it() -> None:
    bench = Bench()
    forced = {"logit_bias": ((END, 1000.0),)}
    call = bench.run("a fox", **forced)
    assert call.end is not None and (call.end.reason, call.end.stop, call.ids) == ("stop", None, [])
    on = bench.run("a fox", max_tokens=4, ignore_eos=True, **forced)
    assert on.end is not None and (on.end.reason, on.ids, on.text) == ("length", [END] * 4, "")


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_stop_string_ends_the_answer_before_it_across_token_borders(temperature: float) -> None:
    bench = Bench()
    options = {"max_tokens": 24, "ignore_eos": True, "temperature": temperature, "seed": 5}
    whole = bench.run("once", **options).text
    stop = whole[9:13]
    call = bench.run("once", stops=("never said", stop), **options)
    assert call.end is not None and (call.end.reason, call.end.stop) == ("stop", stop)
    assert call.text == whole[: whole.index(stop)]
    assert call.end.generated_tokens == whole.index(stop) + len(stop)


def test_what_cannot_be_honoured_is_refused_before_anything_is_computed() -> None:
    bench = Bench(context=20)
    for prompt, options, code, param in [
        ("a word too much for it all", {}, "context_length_exceeded", "messages"),
        (Tokens((5, 128)), {}, "invalid_value", "prompt"),
        (Tokens((5, -1)), {}, "invalid_value", "prompt"),
        (Tokens(()), {}, "invalid_value", "prompt"),
        ("x", {"logit_bias": ((128, 1.0),)}, "invalid_value", "logit_bias"),
        ("x", {"grammar": grammar("cycle:ab"), "ignore_eos": True}, "unsupported_parameter", "ignore_eos"),
        ("x", {"grammar": grammar("unknown")}, "unsupported_schema", "response_format"),
    ]:
        call = bench.run(prompt, **options)
        assert call.accepted is None and call.error is not None
        assert (call.error.code, call.error.param) == (code, param)
    assert bench.engine.stats().steps == 0


def test_more_calls_than_slots_wait_in_order_of_arrival() -> None:
    bench = Bench(slots=2)
    calls = [bench.start(prompt, max_tokens=3) for prompt in (*PROMPTS, *PROMPTS)]
    assert bench.engine.stats().waiting == 10
    order: list[int] = []
    while bench.engine.step():
        assert bench.engine.stats().active <= 2
        order += [call for call in calls if bench.call(call).accepted and call not in order]
    assert order == calls
    assert [len(bench.call(call).ids) for call in calls] == [3] * 10


def test_prompts_of_a_higher_class_are_read_first() -> None:
    bench = Bench(slots=8)
    classes = ("low", "normal", "high", "normal", "high", "low")
    calls = [bench.start(f"a prompt of {name}", priority=name, max_tokens=9, ignore_eos=True) for name in classes]
    order: list[int] = []
    while bench.engine.step():
        order += [call for call in calls if bench.call(call).ids and call not in order]
    assert [classes[call - 1] for call in order] == ["high", "high", "normal", "normal", "low", "low"]
    assert order == [3, 5, 2, 4, 1, 6]


@pytest.mark.parametrize("kind", [*KINDS, *MORE_KINDS])
def test_a_row_pauses_at_its_credit_and_goes_on_as_if_it_had_not(kind: str) -> None:
    bench = Bench(kind)
    options = {"max_tokens": 30, "ignore_eos": True, "temperature": 0.8, "seed": 3, "frequency_penalty": 0.5}
    whole = bench.run("a fox and an owl", **options).ids
    for credits in ([1] * 30, [3, 1, 20, 6], [29, 1]):
        call = bench.call(number := bench.start("a fox and an owl", credit=credits[0], **options))
        for given, credit in zip([sum(credits[: n + 1]) for n in range(len(credits))], [*credits[1:], 1], strict=True):
            # Another one runs through meanwhile: the pause holds up nobody.
            other = bench.run("x", max_tokens=4, ignore_eos=True)
            assert len(other.ids) == 4
            assert call.ids == whole[:given]
            bench.engine.credit(number, credit)
        assert call.is_over


def test_paused_rows_keep_their_slots_and_their_cancel() -> None:
    bench = Bench(slots=2)
    calls = [bench.start("a fox", max_tokens=9, credit=2, ignore_eos=True) for _ in range(3)]
    bench.finish()
    assert [len(bench.call(call).ids) for call in calls] == [2, 2, 0]
    stats = bench.engine.stats()
    assert (stats.active, stats.waiting, stats.phase) == (2, 1, "idle")
    bench.engine.cancel(calls[0])
    bench.finish()
    end = bench.call(calls[0]).end
    assert end is not None and (end.reason, end.generated_tokens) == ("cancelled", 2)
    assert len(bench.call(calls[2]).ids) == 2


def test_a_cancel_takes_effect_within_one_step_wherever_the_row_is() -> None:
    bench = Bench(slots=2, context=2000)
    decoding = bench.start("a fox", max_tokens=None, ignore_eos=True)
    bench.until(lambda: len(bench.call(decoding).ids) > 3)
    reading = bench.start("x" * 1500)
    waiting = bench.start("y")
    bench.engine.step()
    bench.engine.step()
    assert not bench.call(reading).ids
    for call in (waiting, reading, decoding):
        bench.engine.cancel(call)
        bench.engine.step()
        end = bench.call(call).end
        assert end is not None and end.reason == "cancelled"
    before = len(bench.call(decoding).ids)
    bench.finish()
    assert len(bench.call(decoding).ids) == before
    bench.engine.cancel(decoding)
    bench.engine.cancel(987)
    assert bench.run("z", max_tokens=2).end is not None


def test_a_long_prompt_is_read_in_chunks_beside_running_rows() -> None:
    bench = Bench(context=3000, cache=0)
    running = bench.start("a fox", max_tokens=200, ignore_eos=True)
    bench.until(lambda: len(bench.call(running).ids) > 0)
    text = "".join(chr(97 + n * n % 23) for n in range(1200))
    long = bench.start(text, max_tokens=3, ignore_eos=True)
    steps = []
    while not bench.call(long).ids:
        before, said = bench.engine.stats().steps, len(bench.call(running).ids)
        bench.engine.step()
        assert bench.engine.stats().steps == before + 1
        steps.append(len(bench.call(running).ids) - said)
    # 64 tokens where nothing is known, at most 512 afterwards, and two steps more to the first token. Every one
    # of them has served the running row.
    assert len(steps) >= 6 and set(steps) == {1}
    bench.finish()
    assert bench.call(long).ids == expected("llama", text, 3, ignore_eos=True)
    assert bench.call(running).ids == expected("llama", "a fox", 200, ignore_eos=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_paused_row_goes_on_while_a_long_prompt_is_read(kind: str) -> None:
    bench = Bench(kind, context=3000, cache=0)
    paused = bench.start("a fox", max_tokens=8, credit=2, ignore_eos=True)
    bench.finish()
    text = "".join(chr(97 + n * n % 23) for n in range(1600))
    long = bench.start(text, max_tokens=2, ignore_eos=True)
    bench.engine.step()
    bench.engine.credit(paused, 100)
    bench.engine.step()
    assert len(bench.call(paused).ids) == 3
    bench.engine.step()
    assert len(bench.call(paused).ids) == 4 and not bench.call(long).ids
    bench.finish()
    assert bench.call(paused).ids == expected(kind, "a fox", 8, ignore_eos=True)
    assert bench.call(long).ids == expected(kind, text, 2, ignore_eos=True)


def test_stats_say_what_a_heartbeat_needs() -> None:
    bench = Bench(slots=2)
    assert bench.engine.stats().phase == "idle"
    bench.engine.set_threads(2)
    phases = set()
    for prompt in PROMPTS:
        bench.start(prompt, max_tokens=3)
    steps = 0
    while bench.engine.step():
        stats = bench.engine.stats()
        assert stats.steps == steps + 1 and stats.threads == 2 and stats.step_ms == 0
        steps = stats.steps
        phases.add(stats.phase)
    assert phases == {"prefill", "decode"}
    stats = bench.engine.stats()
    assert (stats.phase, stats.active, stats.waiting) == ("idle", 0, 0)
    assert stats.kv_used_tokens > 0


class Held:
    """A model whose steps wait until they are let go."""

    def __init__(self) -> None:
        self._inner = network("llama")
        self.is_in = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __call__(self, tokens: mx.array, cache: Any = None) -> mx.array:
        self.is_in.set()
        assert self.go.wait(60)
        return self._inner(tokens, cache=cache)


def test_another_thread_sees_how_old_the_running_step_is() -> None:
    model = Held()
    mx.eval(network("llama").parameters())
    benches: list[Bench] = []
    is_loaded = threading.Event()

    def work() -> None:
        # All that touches MLX: the generator is bound to the thread that made it.
        bench = Bench(model)
        benches.append(bench)
        bench.start("a fox", max_tokens=5, ignore_eos=True)
        model.is_in.clear()
        model.go.clear()
        is_loaded.set()
        bench.finish()

    thread = threading.Thread(target=work)
    thread.start()
    assert is_loaded.wait(60) and model.is_in.wait(60)
    engine = benches[0].engine
    first = engine.stats()
    assert first.phase == "prefill" and first.active == 1
    while engine.stats().step_ms <= first.step_ms:
        pass
    assert engine.stats().steps == first.steps
    model.go.set()
    thread.join(60)
    last = engine.stats()
    assert not thread.is_alive() and last.steps > first.steps and last.step_ms == 0
    assert benches[0].call(1).ids == expected("llama", "a fox", 5, ignore_eos=True)


def test_close_ends_every_call_as_cancelled() -> None:
    bench = Bench(slots=1)
    calls = [bench.start("a fox"), bench.start("x")]
    bench.engine.step()
    bench.engine.close()
    bench.engine.close()
    assert [bench.call(call).end and bench.call(call).end.reason for call in calls] == ["cancelled"] * 2  # type: ignore[union-attr]


@pytest.mark.parametrize(("kind", "rows"), [("llama", 300), ("qwen3", 60), ("gemma3", 60), ("qwen3_5", 60)])
def test_rows_join_leave_and_pause_at_random_and_every_answer_is_as_alone(kind: str, rows: int) -> None:
    chance = random.Random(rows)
    prefixes = ["", "the same beginning of many prompts, ", "another one. "]
    requests = []
    for _ in range(rows):
        prompt = chance.choice(prefixes) + "".join(chance.choices("abcdefg ", k=chance.randint(1, 30)))
        options: dict[str, object] = {
            "max_tokens": chance.randint(1, 30),
            "temperature": chance.choice([0, 1.0, 0.7]),
            "seed": chance.randint(0, 2**32 - 1),
            "top_k": chance.choice([0, 5]),
            "top_p": chance.choice([1, 0.9]),
            "presence_penalty": chance.choice([0, 0.8]),
            "repeat_penalty": chance.choice([1, 1, 1.2]),
        }
        if chance.random() < 0.2:
            options["grammar"] = grammar(chance.choice(["cycle:abcde", "swap"]))
        elif chance.random() < 0.5:
            options["ignore_eos"] = True
        requests.append((prompt, options))
    reference = Bench(kind, slots=1, cache=0)
    alone = [reference.run(prompt, **options) for prompt, options in requests]

    bench = Bench(kind, slots=6)
    left = list(enumerate(requests))
    calls: dict[int, int] = {}
    starved: set[int] = set()
    while True:
        if left and chance.random() < 0.4:
            index, (prompt, options) = left.pop(0)
            credit = chance.choice([1, 3, 1000])
            calls[bench.start(prompt, credit=credit, **options)] = index
        running = [call for call in calls if not bench.call(call).is_over]
        if running and chance.random() < 0.03:
            bench.engine.cancel(chance.choice(running))
        for call in running:
            if chance.random() < 0.3:
                bench.engine.credit(call, 2)
        if not bench.engine.step() and not left:
            starved = {call for call in calls if not bench.call(call).is_over}
            if not starved:
                break
    kept = 0
    for call, index in calls.items():
        seen, whole = bench.call(call), alone[index]
        assert seen.error is None and seen.end is not None
        if seen.end.reason == "cancelled":
            assert seen.ids == whole.ids[: len(seen.ids)]
        else:
            kept += 1
            assert (seen.ids, seen.text, seen.end.reason) == (whole.ids, whole.text, whole.end and whole.end.reason)
    assert kept > rows / 2
    assert any(call.accepted and call.accepted["cached"] for call in bench.sink.calls.values())
    stats = bench.engine.stats()
    assert (stats.active, stats.waiting) == (0, 0)
