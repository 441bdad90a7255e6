"""Whole models of every kind that the worker is tested with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models.cache import make_prompt_cache

from hearth_mlx.engine import LoadError, Message, Messages
from hearth_mlx.loader import Loader, context_tokens
from hearth_mlx.memory import CACHE_LIMIT_BYTES
from hearth_mlx.parameters import arrays_of
from loader_support import load, spec_of
from tiny_models import CONTEXT_TOKENS, KINDS, LOGITS_WIDTH, make_model, make_network, write_json

# For one token: keys and values of two heads of 32 in float32, of layers that keep all tokens.
LAYER_BYTES = 2 * 2 * 32 * 4
FULL_LAYERS = {"llama": 2, "qwen3": 2, "qwen3_5": 1, "gemma3": 1, "gpt_oss": 2}


@pytest.mark.parametrize("suffix", ["", "-4bit"])
@pytest.mark.parametrize("kind", KINDS)
def test_loads_every_kind(kind: str, suffix: str, tmp_path: Path) -> None:
    folder = make_model(kind + suffix, tmp_path / "model")
    loader = Loader()
    fractions: list[float] = []
    model, load_ms = loader.load(spec_of(folder), fractions.append)
    assert fractions[-1] == 1.0 and fractions == sorted(fractions)
    assert list(load_ms) == ["open", "tokenizer", "weights", "warmUp"]
    logits = model.network(mx.array([[1, 2, 3]]), cache=make_prompt_cache(model.network))
    assert logits.shape == (1, 3, LOGITS_WIDTH) and model.vocabulary.size == LOGITS_WIDTH
    assert mx.all(mx.isfinite(logits)).item()
    assert model.kv_bytes_per_token == FULL_LAYERS[kind] * LAYER_BYTES
    assert model.vocabulary.ends == {2}
    assert model.facts.chat and model.facts.device == "CPU"
    assert model.facts.trained_context_tokens == CONTEXT_TOKENS
    assert model.facts.vocabulary_size == LOGITS_WIDTH
    assert model.facts.file_bytes == (folder / "model.safetensors").stat().st_size
    assert model.prompts.read(Messages((Message("user", "hi"),)), 512).ids[-1] > 2


@pytest.mark.parametrize("kind", KINDS)
def test_packed_weights_are_counted_unpacked(kind: str, tmp_path: Path) -> None:
    whole = load(make_model(kind, tmp_path / "whole"))
    packed = load(make_model(f"{kind}-4bit", tmp_path / "packed"))
    assert packed.facts.parameters == whole.facts.parameters
    assert whole.facts.parameters == sum(array.size for array in arrays_of(whole.network))


def test_the_same_call_makes_the_same_model(tmp_path: Path) -> None:
    first, second = make_model("qwen3", tmp_path / "a"), make_model("qwen3", tmp_path / "b")
    for file in sorted(first.iterdir()):
        assert file.read_bytes() == (second / file.name).read_bytes(), file.name


@pytest.mark.parametrize("kind", KINDS)
def test_the_estimate_covers_weights_and_the_caches_of_all_slots(kind: str, tmp_path: Path) -> None:
    folder = make_model(kind, tmp_path / "model")
    few = Loader().estimate(spec_of(folder, slots=1, context_tokens=1024))
    more = Loader().estimate(spec_of(folder, slots=3, context_tokens=1024))
    model = load(folder)
    cache = make_prompt_cache(model.network)
    mx.eval(model.network(mx.zeros((1, 1024), dtype=mx.int32), cache=cache))
    weights = sum(array.nbytes for array in arrays_of(model.network))
    kept = sum(layer.nbytes for layer in cache)
    assert few > weights + kept
    # A window keeps what a long prompt brings until the next token cuts it: what it is for is counted.
    windows = {"gemma3": 2, "gpt_oss": 2}.get(kind, 0)
    counted = FULL_LAYERS[kind] * 1024 * LAYER_BYTES + windows * 16 * LAYER_BYTES
    states = 58_368 if kind == "qwen3_5" else 0
    assert more - few == 2 * (counted + states + LOGITS_WIDTH * 4)


def test_an_estimate_reads_no_weights(tmp_path: Path) -> None:
    folder = make_model("gpt_oss", tmp_path / "model")
    mx.clear_cache()
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    Loader().estimate(spec_of(folder))
    assert mx.get_peak_memory() - before < 100_000


def test_the_context_is_at_most_what_the_model_was_trained_on(tmp_path: Path) -> None:
    folder = make_model("llama", tmp_path / "model")
    most = Loader().estimate(spec_of(folder, context_tokens=CONTEXT_TOKENS))
    assert Loader().estimate(spec_of(folder, context_tokens=1 << 30)) == most
    assert context_tokens(spec_of(folder, context_tokens=99), None) == 99
    assert context_tokens(spec_of(folder, context_tokens=99), 50) == 50


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gpu": "cuda"}, "gpu is 'cuda', and MLX runs on Metal or the CPU"),
        ({"gpu": "vulkan"}, "gpu is 'vulkan'"),
        ({"options": {"path": "internal"}}, "the option 'path' is not known to the MLX backend; remove it"),
    ],
)
def test_refuses_what_mlx_cannot_do(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    folder = make_model("llama", tmp_path / "model")
    for call in (lambda: load(folder, **changes), lambda: Loader().estimate(spec_of(folder, **changes))):
        with pytest.raises(LoadError) as caught:
            call()
        assert said in caught.value.reason


@pytest.mark.skipif(mx.metal.is_available(), reason="this machine has Metal")
def test_refuses_metal_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="this machine has no Metal; set gpu to auto or off"):
        load(make_model("llama", tmp_path / "model"), gpu="metal")
    assert load(make_model("llama", tmp_path / "other"), gpu="auto").facts.device == "CPU"


def test_freed_buffers_are_kept_up_to_a_limit_and_nothing_is_wired(tmp_path: Path) -> None:
    load(make_model("llama", tmp_path / "model"))
    assert mx.set_cache_limit(CACHE_LIMIT_BYTES) == CACHE_LIMIT_BYTES


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16])
def test_on_a_cpu_half_precision_runs_in_single(dtype: mx.Dtype, tmp_path: Path) -> None:
    folder = make_model("llama-4bit", tmp_path / "model")
    weights: Any = mx.load(str(folder / "model.safetensors"))
    half = {name: array.astype(dtype) if array.dtype == mx.float32 else array for name, array in weights.items()}
    mx.save_safetensors(str(folder / "model.safetensors"), half)
    model = load(folder)
    assert {array.dtype for array in arrays_of(model.network)} == {mx.float32, mx.uint32}


def test_weights_that_compute_no_numbers_are_refused(tmp_path: Path) -> None:
    folder = make_model("llama", tmp_path / "model")
    weights: Any = mx.load(str(folder / "model.safetensors"))
    weights["model.norm.weight"] = weights["model.norm.weight"] * float("nan")
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    with pytest.raises(LoadError, match=r"the weights compute no numbers \(NaN\)"):
        load(folder)


def test_reads_the_text_part_of_a_model_that_also_sees(tmp_path: Path) -> None:
    folder = make_model("gemma3", tmp_path / "model")
    alone = load(folder)
    config = json.loads((folder / "config.json").read_text())
    outer = {"model_type": "gemma3", "text_config": config, "vocab_size": LOGITS_WIDTH, "vision_config": {"a": 1}}
    write_json(folder / "config.json", {**outer, "eos_token_id": [2]})
    weights: Any = mx.load(str(folder / "model.safetensors"))
    both = {f"language_model.{name}": array for name, array in weights.items()}
    both["vision_tower.patch.weight"] = mx.zeros((1000, 100))
    both["multi_modal_projector.weight"] = mx.zeros((10, 10))
    mx.save_safetensors(str(folder / "model.safetensors"), both)
    seeing = load(folder)
    tokens = mx.array([[1, 5, 9]])
    assert mx.array_equal(seeing.network(tokens), alone.network(tokens)).item()
    assert seeing.facts.parameters == alone.facts.parameters
    assert seeing.facts.trained_context_tokens == CONTEXT_TOKENS
    assert seeing.kv_bytes_per_token == alone.kv_bytes_per_token


def test_reads_weights_in_shards(tmp_path: Path) -> None:
    folder = make_model("llama", tmp_path / "model")
    whole = load(folder)
    weights: Any = mx.load(str(folder / "model.safetensors"))
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    shards = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    for shard, part in zip(shards, (names[::2], names[1::2]), strict=True):
        mx.save_safetensors(str(folder / shard), {name: weights[name] for name in part})
    index = {name: shards[i % 2] for i, name in enumerate(names)}
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": index})
    tokens = mx.array([[1, 5, 9]])
    assert mx.array_equal(load(folder).network(tokens), whole.network(tokens)).item()


def test_seeds_make_different_models() -> None:
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 1, "intermediate_size": 64}
    config |= {"num_attention_heads": 2, "rms_norm_eps": 1e-6, "vocab_size": 64}
    first, second = (make_network(config, seed=seed)(mx.array([[1]])) for seed in (1, 2))
    assert not mx.array_equal(first, second).item()
