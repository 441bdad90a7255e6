"""GGUF files in MLX: the same numbers, the same tokens, or a refusal that names what is in the way."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from gguf_writer import tiny_llama, write_gguf
from hearth_mlx.engine import LoadError, Message, Messages, Text
from hearth_mlx.gguf_tokenizer import read_gguf_tokenizer
from hearth_mlx.loader import Loader
from hearth_mlx.parameters import arrays_of
from hearth_mlx.tokenizer_source import make_tokenizer
from loader_support import load, spec_of
from tiny_models import LOGITS_WIDTH, make_model

# What llama.cpp makes of these texts with the tokenizer of ``gguf_writer.py``; ``gguf_tokens.mjs`` writes it.
RECORDED = [json.loads(line) for line in (Path(__file__).parent / "gguf_tokens.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("kind", "close"), [("F32", 1e-5), ("F16", 0.02), ("Q8_0", 0.1), ("Q4_0", 1.0)])
def test_is_the_same_model_as_its_folder(kind: str, close: float, tmp_path: Path) -> None:
    folder = load(make_model("llama", tmp_path / "folder"))
    file = write_gguf(tmp_path / "model.gguf", *tiny_llama(kind))
    model = load(file)
    tokens = mx.array([[1, 40, 300, 7, 7, 25]])
    difference = mx.abs(model.network(tokens) - folder.network(tokens)).max().item()
    assert difference < close
    assert model.facts.parameters == folder.facts.parameters
    assert (model.facts.architecture, model.facts.chat, model.facts.device) == ("llama", True, "CPU")
    assert model.facts.file_bytes == file.stat().st_size
    assert model.facts.vocabulary_size == LOGITS_WIDTH
    assert {array.dtype for array in arrays_of(model.network)} <= {mx.float32, mx.uint32}
    prompt = Messages((Message("user", "Hello <|im_end|> you"),))
    assert model.prompts.read(prompt, 512) == folder.prompts.read(prompt, 512)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "model.gguf"]


@pytest.mark.parametrize("kind", ["Q4_0", "Q8_0"])
def test_packed_weights_are_the_numbers_of_the_file(kind: str, tmp_path: Path) -> None:
    metadata, tensors = tiny_llama(kind)
    model = load(write_gguf(tmp_path / "model.gguf", metadata, tensors))
    part = model.network.model.layers[0].mlp.down_proj
    unpacked = mx.dequantize(part.weight, part.scales, part.biases, part.group_size, part.bits)
    blocks = tensors["blk.0.ffn_down.weight"][1].reshape(-1, 32)
    steps, least = {"Q4_0": (7, -8), "Q8_0": (127, -127)}[kind]
    scale = (np.abs(blocks).max(1) / steps).astype(np.float16).astype(np.float32)[:, None]
    expected = np.clip(np.round(blocks / scale), least, steps) * scale
    assert np.array_equal(np.array(unpacked).reshape(-1, 32), expected)


def test_the_estimate_is_of_packed_weights(tmp_path: Path) -> None:
    packed = write_gguf(tmp_path / "q4.gguf", *tiny_llama("Q4_0"))
    whole = write_gguf(tmp_path / "f32.gguf", *tiny_llama("F32"))
    less, more = (Loader().estimate(spec_of(path)) for path in (packed, whole))
    weights = [sum(array.nbytes for array in arrays_of(load(path).network)) for path in (packed, whole)]
    assert more - less == weights[1] - weights[0]


def test_ends_and_bos_are_those_of_the_metadata_and_of_llama_cpp(tmp_path: Path) -> None:
    metadata, tensors = tiny_llama("F32")
    assert load(write_gguf(tmp_path / "a.gguf", metadata, tensors)).vocabulary.ends == {0, 2}
    metadata |= {"tokenizer.ggml.eot_token_id": 1, "tokenizer.ggml.add_bos_token": True}
    model = load(write_gguf(tmp_path / "b.gguf", metadata, tensors))
    assert model.vocabulary.ends == {0, 1, 2}
    assert model.prompts.read(Text("a"), 512).ids[0] == 0


@pytest.mark.parametrize("pre", ["gpt-2", "smollm", "qwen2", "llama-bpe"])
def test_makes_the_tokens_that_llama_cpp_makes(pre: str) -> None:
    metadata, _ = tiny_llama("F32", pre=pre)
    tokenizer = make_tokenizer(read_gguf_tokenizer(metadata).json)
    assert len(RECORDED) > 300
    for line in RECORDED:
        assert tokenizer.encode(line["text"], add_special_tokens=False).ids == line[pre], line["text"]


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"general.architecture": "gemma3"}, "general.architecture is 'gemma3', and of GGUF files MLX gets llama"),
    ({"llama.expert_count": 8}, "llama.expert_count is 8, which MLX would not do as llama.cpp does"),
    ({"llama.rope.scaling.type": "yarn"}, "llama.rope.scaling.type is 'yarn'"),
    ({"llama.unheard_of": 1}, "llama.unheard_of is 1"),
    ({"llama.rope.dimension_count": 16}, "llama.rope.dimension_count is 16, the heads have 32"),
    ({"llama.block_count": 0}, "llama.block_count is 0, it should be one number above 0"),
    ({"llama.block_count": 1 << 30}, "llama.block_count is 1073741824, and the file holds 21 tensors"),
    ({"llama.feed_forward_length": [256, 256]}, "llama.feed_forward_length is [256, 256], it should be one number"),
    ({"llama.feed_forward_length": 128}, "the weights do not belong to"),
    ({"tokenizer.ggml.model": "llama"}, "tokenizer.ggml.model is 'llama', and of the tokenizers in GGUF files"),
    ({"tokenizer.ggml.pre": "default"}, "tokenizer.ggml.pre is 'default'"),
    ({"tokenizer.ggml.tokens": 3}, "the file has no tokenizer.ggml.tokens"),
    ({"tokenizer.ggml.token_type": [1]}, "tokenizer.ggml.token_type does not name a type for each token"),
    ({"tokenizer.ggml.merges": ["no such"]}, "tokenizer.ggml.merges makes no tokenizer"),
]


@pytest.mark.parametrize(("changes", "said"), CHANGES, ids=[next(iter(changes)) for changes, _ in CHANGES])
def test_refuses_what_would_be_another_model(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    metadata, tensors = tiny_llama("F32")
    assert said in reason_of(write_gguf(tmp_path / "model.gguf", {**metadata, **changes}, tensors))


def test_refuses_tensors_that_mlx_would_convert_or_leave_out(tmp_path: Path) -> None:
    metadata, tensors = tiny_llama("F16")
    path = write_gguf(tmp_path / "a.gguf", metadata, {**tensors, "rope_freqs.weight": ("F32", np.ones(16))})
    assert "the file has a tensor rope_freqs.weight, which MLX would leave out" in reason_of(path)
    path = write_gguf(tmp_path / "b.gguf", metadata, tensors)
    data = path.read_bytes()
    mark = b"output.weight" + struct.pack("<IQQI", 2, 128, LOGITS_WIDTH, 1)
    assert mark in data
    path.write_bytes(data.replace(mark, mark[:-4] + struct.pack("<I", 14)))
    assert "output.weight is of type Q6_K, and MLX holds F32, F16, Q4_0, Q4_1, Q8_0 as they are" in reason_of(path)


def test_refuses_files_that_are_damaged(tmp_path: Path) -> None:
    data = write_gguf(tmp_path / "model.gguf", *tiny_llama("F16")).read_bytes()
    wrong = {
        "is not a GGUF file": b"GGML" + data[4:],
        "is GGUF version 1, this build reads 2 and 3": data[:4] + struct.pack("<I", 1) + data[8:],
        "too few for a header": data[:20],
        "its header promises": data[:-1000],
        "is longer than the file": data[:24] + struct.pack("<Q", 1 << 62) + data[32:],
        "of the header is longer": data[:16] + struct.pack("<Q", 1 << 40) + data[24:],
    }
    for said, content in wrong.items():
        path = tmp_path / "broken.gguf"
        path.write_bytes(content)
        assert said in reason_of(path)


def test_a_bit_that_is_turned_over_never_ends_the_process(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    data = bytearray(write_gguf(tmp_path / "model.gguf", *tiny_llama("F16")).read_bytes())
    path = tmp_path / "broken.gguf"
    for _ in range(60):
        at = int(rng.integers(0, 2000))
        flip = 1 << int(rng.integers(0, 8))
        data[at] ^= flip
        path.write_bytes(data)
        data[at] ^= flip
        try:
            load(path)
        except LoadError as error:
            assert "\n" not in error.reason


def reason_of(path: Path) -> str:
    with pytest.raises(LoadError) as caught:
        load(path)
    assert "\n" not in caught.value.reason
    return caught.value.reason
