"""A request as a row of the loop: what cannot be honoured is refused here, before anything is computed.

Errors: ``CallError``: ``invalid_value`` for a logit bias or a prompt that names a token which is not there;
        ``unsupported_parameter`` for what cannot be honoured together; what the prompt reader and the grammar raise.
"""

from __future__ import annotations

from .chain import RowChain
from .engine import CallEnd, CallError, GenerateJob
from .model import LoadedModel
from .rows import Row


def read_job(job: GenerateJob, model: LoadedModel, context_tokens: int) -> Row:
    vocabulary = model.vocabulary
    _assert_bias_in_vocabulary(job, vocabulary.size)
    _assert_grammar_can_hold(job)
    prompt = model.prompts.read(job.prompt, context_tokens)
    _assert_in_vocabulary(prompt.ids, vocabulary.size)
    grammar = job.grammar

    def make_chain(position: int) -> RowChain:
        return RowChain(
            job.sampling,
            prompt_tokens=len(prompt.ids),
            vocabulary=vocabulary,
            constraint=None if grammar is None else model.constraints.make(grammar),
            position=position,
        )

    return Row(job, prompt, vocabulary=vocabulary, context_tokens=context_tokens, make_chain=make_chain)


def unread(job: GenerateJob) -> CallEnd:
    """The end of a call that was cancelled before its prompt was looked at."""
    return CallEnd(job.call, "cancelled", prompt_tokens=0, cached_tokens=0, generated_tokens=0)


def _assert_bias_in_vocabulary(job: GenerateJob, size: int) -> None:
    for token, _ in job.sampling.logit_bias:
        if not 0 <= token < size:
            raise CallError(
                "invalid_value",
                f"logit_bias names token {token}, this model has ids from 0 to {size - 1}",
                param="logit_bias",
            )


def _assert_grammar_can_hold(job: GenerateJob) -> None:
    if job.grammar is not None and job.sampling.ignore_eos:
        raise CallError(
            "unsupported_parameter",
            "ignore_eos cannot be honoured together with response_format, after whose end nothing may follow; "
            "leave it out",
            param="ignore_eos",
        )


def _assert_in_vocabulary(ids: tuple[int, ...], size: int) -> None:
    """The prompt reader has done this; but the library reads memory that is not its own at a wrong id."""
    if not ids:
        raise CallError("invalid_value", "prompt holds no text", param="prompt")
    wrong = min(ids) if min(ids) < 0 else max(ids)
    if not 0 <= wrong < size:
        raise CallError(
            "invalid_value",
            f"prompt token {ids.index(wrong)} is {wrong}, this model has ids from 0 to {size - 1}",
            param="prompt",
        )
