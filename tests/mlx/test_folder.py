"""Model folders in which something is wrong: each is refused in one line that says what."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hearth_mlx.engine import LoadError
from hearth_mlx.loader import Loader
from loader_support import load, spec_of
from tiny_models import make_model, write_json

Break = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_model("llama", tmp_path / "model")


def reason_of(path: Path, **changes: Any) -> str:
    """The same from a look and from a load; one line, always."""
    with pytest.raises(LoadError) as looked:
        Loader().estimate(spec_of(path, **changes))
    with pytest.raises(LoadError) as loaded:
        load(path, **changes)
    assert looked.value.reason == loaded.value.reason
    assert "\n" not in loaded.value.reason
    return loaded.value.reason


def change_config(**changes: Any) -> Break:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        config.update(changes)
        write_json(folder / "config.json", {name: value for name, value in config.items() if value is not None})

    return change


def write(name: str, content: bytes | str) -> Break:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


def remove(*names: str) -> Break:
    return lambda folder: [(folder / name).unlink() for name in names]


def rename(name: str, other: str) -> Break:
    return lambda folder: (folder / name).rename(folder / other)


def index(*shards: str) -> Break:
    weights = {f"tensor{i}": shard for i, shard in enumerate(shards)}
    return write("model.safetensors.index.json", json.dumps({"weight_map": weights}))


def cut(folder: Path) -> None:
    shard = folder / "model.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])


def patch_header(old: bytes, new: bytes) -> Break:
    def patch(folder: Path) -> None:
        shard = folder / "model.safetensors"
        data = shard.read_bytes()
        (length,) = struct.unpack_from("<Q", data)
        header = data[8 : 8 + length]
        assert old in header
        header = header.replace(old, new, 1)
        shard.write_bytes(struct.pack("<Q", len(header)) + header + data[8 + length :])

    return patch


WRONG: list[tuple[str, Break, str]] = [
    ("no config", remove("config.json"), "has no config.json"),
    ("config is no JSON", write("config.json", "{model_type: llama"), "config.json is not JSON"),
    ("config is a list", write("config.json", "[]"), "config.json holds a list where an object is needed"),
    ("config is no UTF-8", write("config.json", b'{"a": "\xff"}'), "config.json is not UTF-8"),
    ("no model_type", change_config(model_type=None), "names no model_type"),
    ("unknown model_type", change_config(model_type="llama9"), "model_type 'llama9' of config.json is not known"),
    ("model_type is a path", change_config(model_type="../llama"), "model_type '../llama'"),
    ("model_type is no model", change_config(model_type="cache"), "config.json does not make a model"),
    ("unknown with code", change_config(model_type="x", auto_map={"A": "b.C"}), "Python code (auto_map) is never run"),
    ("model_file", change_config(model_file="mine.py"), "needs Python code of its own ('mine.py' in config.json)"),
    ("missing shard", index("model.safetensors", "model-00002-of-00002.safetensors"), "model-00002-of-00002"),
    ("index is no index", write("model.safetensors.index.json", '{"weight_map": 3}'), "has no weight_map of names"),
    (
        "numbered shard alone",
        rename("model.safetensors", "model-00001-of-00003.safetensors"),
        "model-00002-of-00003.safetensors and 1 more is missing",
    ),
    ("shard is short", cut, "model.safetensors is shorter than its header says"),
    ("header is no JSON", patch_header(b'{"', b'["'), "model.safetensors has a damaged header: it is no JSON object"),
    ("no offsets", patch_header(b"data_offsets", b"data_offsetz"), "has no dtype, shape and data_offsets"),
    ("wrong shape", patch_header(b"[512,128]", b"[513,128]"), "takes 262144 bytes"),
    ("negative shape", patch_header(b"[512,128]", b"[-512,128]"), "has a damaged header"),
    ("unknown type", patch_header(b'"F32"', b'"F33"'), "has the type 'F33'"),
    ("empty shard", write("model.safetensors", b""), "model.safetensors has 0 bytes"),
    ("long header", write("model.safetensors", struct.pack("<Q", 1 << 60) + b"{}"), "promises a header of 1152921504"),
    ("no tensors", write("model.safetensors", struct.pack("<Q", 2) + b"{}"), "holds no tensors"),
    (
        "pointer of LFS",
        write("model.safetensors", "version https://git-lfs.github.com/spec/v1\n"),
        "is a pointer of Git LFS",
    ),
    ("pickled only", rename("model.safetensors", "pytorch_model.bin"), "pickled weights only (pytorch_model.bin)"),
    ("other name", rename("model.safetensors", "weights.safetensors"), "weights.safetensors is not named like that"),
    ("no weights", remove("model.safetensors"), "has no model*.safetensors"),
    ("no tokenizer", remove("tokenizer.json"), "has no tokenizer.json"),
    ("tokenizer is broken", write("tokenizer.json", "{}"), "tokenizer.json makes no tokenizer"),
    ("missing field", change_config(rms_norm_eps=None), "config.json lacks 'rms_norm_eps'"),
    ("fraction", change_config(hidden_size=128.5), "hidden_size is 128.5, it should be a whole number"),
    ("text", change_config(intermediate_size="256"), "intermediate_size is '256', it should be a whole number"),
    ("no heads", change_config(num_attention_heads=0, head_dim=None), "num_attention_heads is 0"),
    ("many layers", change_config(num_hidden_layers=10**9), "num_hidden_layers of config.json is 1000000000"),
    ("other width", change_config(hidden_size=64), "the weights do not belong to config.json"),
    ("more layers", change_config(num_hidden_layers=3), "the weights do not belong to config.json"),
]


@pytest.mark.parametrize(("change", "said"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_refuses_a_folder_in_which_something_is_wrong(folder: Path, change: Break, said: str) -> None:
    change(folder)
    assert said in reason_of(folder)


def test_refuses_what_is_no_folder(tmp_path: Path) -> None:
    assert "does not exist" in reason_of(tmp_path / "none")
    (tmp_path / "file").write_text("")
    assert "is no folder" in reason_of(tmp_path / "file")


def test_never_runs_code_from_a_folder(folder: Path) -> None:
    for name in ("modeling_llama.py", "tokenization.py", "mine.py"):
        (folder / name).write_text("import pathlib; pathlib.Path(__file__ + '.ran').touch()")
    change_config(auto_map={"AutoModelForCausalLM": "modeling_llama.Model", "AutoConfig": "mine.Config"})(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["auto_map"] = {"AutoTokenizer": ["tokenization.Mine", None]}
    write_json(folder / "tokenizer_config.json", settings)
    assert load(folder).facts.architecture == "llama"
    assert list(folder.glob("*.ran")) == []


def test_a_field_that_nobody_reads_does_no_harm(folder: Path) -> None:
    change_config(mlp_ratio=2.0, something=[1])(folder)
    assert load(folder).facts.parameters > 0
