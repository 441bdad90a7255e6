"""Opens a model: a folder of safetensors, or a GGUF file whose weights MLX can hold as they are.

Units:  bytes; milliseconds in ``load_ms``; tokens of one slot in ``context_tokens``.
Errors: ``LoadError`` with one line: what is the matter, with which file or value, and what to do.
Called from the thread that steps the model: arrays belong to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache
from tokenizers import Tokenizer

from .encoder import Encoder
from .engine import Facts, LoadError, LoadSpec
from .gguf import open_gguf
from .grammar.constraints import GrammarConstraints
from .memory import limit_memory, need_bytes
from .model import LoadedModel
from .opened import Opened, open_folder
from .parameters import count_parameters
from .precision import chip_of, device_text
from .prompt import TemplatePrompts
from .template import ChatTemplate
from .tokenizer_source import make_tokenizer
from .vocabulary import TokenizerVocabulary


class Loader:
    def estimate(self, spec: LoadSpec) -> int:
        """Bytes, from headers: no weight is read."""
        chip = _device_of(spec)
        opened = _open(spec, chip)
        return need_bytes(
            weights=opened.weight_bytes,
            row=opened.row,
            slots=spec.slots,
            context_tokens=context_tokens(spec, opened.trained_tokens),
            config=opened.text_config,
            on_cpu=chip is None,
        )

    def load(self, spec: LoadSpec, progress: Callable[[float], None]) -> tuple[LoadedModel, Mapping[str, float]]:
        """``progress``: from 0 to 1, of the weights."""
        laps = _Laps()
        limit_memory()
        chip = _device_of(spec)
        opened = _open(spec, chip)
        laps.end("open")
        source = opened.source
        tokenizer = make_tokenizer(source.json)
        vocabulary = TokenizerVocabulary(tokenizer, source.json, size=opened.row.logits_width, ends=source.ends)
        prompts = _prompts(opened, tokenizer, vocabulary)
        constraints = GrammarConstraints(vocabulary)
        laps.end("tokenizer")
        network = opened.read(progress)
        laps.end("weights")
        _warm_up(network, source.bos if source.bos is not None else min(vocabulary.ends, default=0))
        laps.end("warmUp")
        facts = Facts(
            architecture=opened.model_type,
            parameters=count_parameters(network),
            file_bytes=opened.file_bytes,
            trained_context_tokens=opened.trained_tokens or spec.context_tokens,
            vocabulary_size=vocabulary.size,
            chat=source.template is not None,
            device=device_text(chip),
        )
        return LoadedModel(network, vocabulary, prompts, constraints, facts, opened.row.per_token), laps.ms


def context_tokens(spec: LoadSpec, trained_tokens: int | None) -> int:
    """Beyond what it was trained on a model writes nonsense, and memory is paid for it."""
    return min(spec.context_tokens, trained_tokens or spec.context_tokens)


def _device_of(spec: LoadSpec) -> str | None:
    """Chooses the device for all that follows; returns its chip, None for the CPU."""
    if spec.options:
        raise LoadError(f"the option {sorted(spec.options)[0]!r} is not known to the MLX backend; remove it")
    if spec.gpu in ("cuda", "vulkan"):
        raise LoadError(f"gpu is {spec.gpu!r}, and MLX runs on Metal or the CPU; set gpu to auto, metal or off")
    chip = chip_of(spec.gpu)
    if chip is None and spec.gpu == "metal":
        raise LoadError("gpu is 'metal', and this machine has no Metal; set gpu to auto or off")
    mx.set_default_device(mx.cpu if chip is None else mx.gpu)
    return chip


def _open(spec: LoadSpec, chip: str | None) -> Opened:
    path = Path(spec.path)
    try:
        if path.suffix.lower() == ".gguf" and path.is_file():
            return open_gguf(path, chip=chip)
        return open_folder(path, chip=chip)
    except OSError as error:
        raise LoadError(f"{error.filename or path} cannot be read: {error.strerror or error}") from error


def _prompts(opened: Opened, tokenizer: Tokenizer, vocabulary: TokenizerVocabulary) -> TemplatePrompts:
    source = opened.source
    template = ChatTemplate(
        source.template, bos_text=source.bos_text, eos_text=source.eos_text, specials=vocabulary.specials
    )
    encoder = Encoder(tokenizer, source.json)
    return TemplatePrompts(encoder=encoder, vocabulary=vocabulary, template=template, bos=source.bos)


def _warm_up(network: Any, token: int) -> None:
    """The first step builds kernels, and says whether the weights are any."""
    logits = network(mx.array([[token]]), cache=make_prompt_cache(network))
    largest: Any = mx.max(logits).item()
    if math.isnan(largest):
        raise LoadError("the weights compute no numbers (NaN); download them again, or take another conversion")


class _Laps:
    def __init__(self) -> None:
        self.ms: Final[dict[str, float]] = {}
        self._last = perf_counter()

    def end(self, name: str) -> None:
        now = perf_counter()
        self.ms[name] = round((now - self._last) * 1000, 1)
        self._last = now
