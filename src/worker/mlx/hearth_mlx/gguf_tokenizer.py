"""The tokenizer in the metadata of a GGUF file, as a ``tokenizer.json``.

Byte-level BPE only, and only with rules for words that are known here: two tokenizers that differ in one rule give
the same model different prompts.

Shapes: token types as GGUF numbers them: 2 unknown, 3 control, 4 user defined.
Errors: ``LoadError`` that names the key.
Source: llama.cpp ``llama_vocab::impl::load`` and ``llm_tokenizer_bpe``; held against its tokens in the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers import models as tokenizer_models

from .config_fault import one_line
from .engine import LoadError
from .tokenizer_source import TokenizerSource

_UNKNOWN: Final = 2
_CONTROL: Final = 3
_USER_DEFINED: Final = 4

_WORDS: Final = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|%s"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA_3: Final = ("llama3", "llama-v3", "llama-bpe")

# Texts at which llama.cpp ends an answer, whatever the metadata say.
_ENDS: Final = frozenset(
    (
        *("<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>"),
        *("<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>"),
        *("<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>"),
        # Marks of files and of gaps that are to be filled: an answer ends at them too.
        *("<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>"),
        *("<REPO>", "<reponame>", "<|file_sep|>"),
    )
)


def read_gguf_tokenizer(metadata: Mapping[str, Any]) -> TokenizerSource:
    kind, pre = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre")
    if kind != "gpt2":
        raise _refuse("model", kind, "gpt2")
    words = _words_of(pre)
    tokens = _texts(metadata, "tokens")
    merges = [merge.partition(" ")[::2] for merge in _texts(metadata, "merges")]
    types = metadata.get("tokenizer.ggml.token_type")
    if not isinstance(types, list) or len(types) != len(tokens):
        raise LoadError("tokenizer.ggml.token_type does not name a type for each token; convert the file again")
    try:
        model = tokenizer_models.BPE(
            {text: token for token, text in enumerate(tokens)}, merges, ignore_merges=pre in _LLAMA_3
        )
    except Exception as error:
        # The library has no class of errors of its own.
        raise LoadError(f"tokenizer.ggml.merges makes no tokenizer: {one_line(error)}; convert it again") from error
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = words
    tokenizer.decoder = decoders.ByteLevel()
    ends = {token for token, text in enumerate(tokens) if text in _ENDS}
    for name in ("eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"):
        if type(token := metadata.get(f"tokenizer.ggml.{name}_token_id")) is int:
            ends.add(token)
    tokenizer.add_special_tokens(
        [_added(tokens[token], True) for token, type in enumerate(types) if type in (_UNKNOWN, _CONTROL)]
    )
    tokenizer.add_tokens([_added(tokens[token], False) for token, type in enumerate(types) if type == _USER_DEFINED])
    bos = metadata.get("tokenizer.ggml.bos_token_id")
    template = metadata.get("tokenizer.chat_template")
    return TokenizerSource(
        json=tokenizer.to_str(),
        template=template if isinstance(template, str) else None,
        bos_text=_text_of(tokens, bos),
        eos_text=_text_of(tokens, metadata.get("tokenizer.ggml.eos_token_id")),
        bos=bos if metadata.get("tokenizer.ggml.add_bos_token", pre in _LLAMA_3) is True else None,
        ends=frozenset(ends),
    )


def _words_of(pre: Any) -> pre_tokenizers.PreTokenizer:
    match pre:
        case "gpt-2":
            return pre_tokenizers.ByteLevel(add_prefix_space=False)
        case "smollm":
            digits = pre_tokenizers.Digits(individual_digits=True)
            return pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
        case "qwen2":
            return _by_words(r"\p{N}")
        case str() if pre in _LLAMA_3:
            return _by_words(r"\p{N}{1,3}")
        case _:
            raise _refuse("pre", pre, "gpt-2, smollm, qwen2 and llama-bpe")


def _by_words(numbers: str) -> pre_tokenizers.PreTokenizer:
    split = pre_tokenizers.Split(Regex(_WORDS % numbers), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _texts(metadata: Mapping[str, Any], name: str) -> list[str]:
    value = metadata.get(f"tokenizer.ggml.{name}")
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise LoadError(f"the file has no tokenizer.ggml.{name}; convert it again")
    return value


def _text_of(tokens: list[str], token: Any) -> str:
    return tokens[token] if type(token) is int and 0 <= token < len(tokens) else ""


def _added(text: str, is_special: bool) -> AddedToken:
    return AddedToken(text, special=is_special, normalized=False)


def _refuse(key: str, value: Any, known: str) -> LoadError:
    return LoadError(
        f"tokenizer.ggml.{key} is {value!r}, and of the tokenizers in GGUF files MLX gets {known}; "
        "use the llama-cpp backend for this file"
    )
