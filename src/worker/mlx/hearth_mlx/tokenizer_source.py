"""What a model folder says of its texts: tokenizer, template, ends. Read once, before a network is there.

The template is that of ``chat_template.jinja``, ``chat_template.json`` or ``tokenizer_config.json``, the first that
there is; of a list of named ones it is the one called ``default``. The ends are those that ``config.json``,
``generation_config.json`` and ``tokenizer_config.json`` name, all of them: conversions tend to forget one.

Errors: ``LoadError`` that names the file.
Source: ``transformers.tokenization_utils_base``, ``mlx_lm.utils.load_config``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from .config_fault import one_line
from .engine import LoadError
from .folder import text_config
from .json_file import read_object, read_object_if_any


@dataclass(frozen=True, slots=True)
class TokenizerSource:
    # Fit for ``Tokenizer.from_str``.
    json: str
    # None for base models.
    template: str | None
    bos_text: str
    eos_text: str
    # Put before a prompt that does not begin with it.
    bos: int | None
    ends: frozenset[int]


def read_tokenizer_source(folder: Path, config: Mapping[str, Any]) -> TokenizerSource:
    text = _settle(read_object(folder / "tokenizer.json"))
    settings = {
        **read_object_if_any(folder / "special_tokens_map.json"),
        **read_object_if_any(folder / "tokenizer_config.json"),
    }
    tokenizer = make_tokenizer(text)
    bos_text, eos_text = _content(settings.get("bos_token")), _content(settings.get("eos_token"))
    ends = {
        *_ids(config.get("eos_token_id")),
        *_ids(text_config(config).get("eos_token_id")),
        *_ids(read_object_if_any(folder / "generation_config.json").get("eos_token_id")),
    }
    if (end := tokenizer.token_to_id(eos_text)) is not None:
        ends.add(end)
    bos = tokenizer.token_to_id(bos_text)
    adds_bos = settings.get("add_bos_token")
    if not isinstance(adds_bos, bool):
        adds_bos = bos is not None and tokenizer.encode("", add_special_tokens=True).ids[:1] == [bos]
    return TokenizerSource(
        json=text,
        template=_template(folder, settings),
        bos_text=bos_text,
        eos_text=eos_text,
        bos=bos if adds_bos else None,
        ends=frozenset(ends),
    )


def make_tokenizer(text: str) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:
        # The library has no class of errors of its own.
        raise LoadError(f"tokenizer.json makes no tokenizer: {one_line(error)}; download it again") from error
    # Some files were saved with these on: a prompt would be cut without a word.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _settle(tokenizer: dict[str, Any]) -> str:
    """Special tokens are found as they are written, and not in what a normaliser makes of other characters."""
    added = tokenizer.get("added_tokens")
    for token in added if isinstance(added, list) else []:
        if isinstance(token, dict) and token.get("special") is True:
            token["normalized"] = False
    return json.dumps(tokenizer, ensure_ascii=False)


def _template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    file = folder / "chat_template.jinja"
    if file.is_file():
        try:
            return file.read_text("utf-8")
        except UnicodeDecodeError:
            raise LoadError(f"{file.name} is not UTF-8; download it again") from None
    for holder in (read_object_if_any(folder / "chat_template.json"), settings):
        value = holder.get("chat_template")
        if isinstance(value, list):
            named = {entry.get("name"): entry.get("template") for entry in value if isinstance(entry, dict)}
            value = named.get("default")
        if isinstance(value, str):
            return value
    return None


def _content(token: Any) -> str:
    """Of a token that is written as its text, or as an object with its text in it."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else ""


def _ids(value: Any) -> list[int]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if type(each) is int]
