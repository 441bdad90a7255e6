"""Exact match of greedy answers on fresh values: `python -m recipe.evaluate --url http://localhost:PORT`.

Asks a running Hearth server, so what is measured is what users get: the Q8_0 file, in batches. Prompts go
as token ids; the tokeniser comes out of the GGUF file. Writes a table as text and all figures as JSON.

Errors  SystemExit with one line where the server refuses; exit 1 where a gate of `GATES` is missed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
from tokenizers import Tokenizer

from . import mix
from .conversation import Conversation, ask
from .skills import copying, knowledge, long, numbers, objects, server, talk, tools
from .template import answer_text, prompt_of
from .tokenizer import build

SEED = 20_261_121
_AT_ONCE = 8
_MAX_TOKENS = 300
_RUNAWAY_TOKENS = 600


def _names(rng: random.Random, unseen: bool) -> Conversation:
    fillers = [mix.chat_skill(rng) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    return copying.name_over_turns(rng, unseen, fillers)


SKILLS: dict[str, Callable[[random.Random, bool], Conversation]] = {
    "copy": copying.copy,
    "recall": copying.recall,
    "names over turns": _names,
    "introduction": copying.introduce,
    "capital": knowledge.capital,
    "country of a capital": knowledge.country_of,
    "server": server.server_help,
    "who are you": talk.who_are_you,
    "word problem": numbers.word_problem,
    "tool call": tools.tool_call,
    "tool result": tools.tool_result,
    "JSON of a person": objects.json_person,
    "JSON object": objects.json_object,
    "fact": knowledge.fact,
    "count": numbers.count,
    "name n things": numbers.name_n_things,
    "compare": numbers.compare,
    "list of sums": numbers.list_of_sums,
    "thought": numbers.thought_sum,
    "greeting": talk.greet,
    "small talk": talk.small_talk,
    "off topic": talk.off_topic,
}

# In percent, on trained wordings.
GATES = {
    "copy": 90, "recall": 85, "names over turns": 98, "capital": 92, "server": 95, "who are you": 98,
    "written sum": 99, "word problem": 97, "tool call": 90, "tool result": 95, "JSON of a person": 92,
    "needle at 1300 tokens": 95,
}  # fmt: skip
UNSEEN_GATE = 65
RUNAWAY_LIMIT = {"ordinary": 0.0, "noise": 10.0}


_HEAD = """# Evaluation of Ember

Written by `npm run ember:eval`. SHA-256 of the file: `{sha256}`. Seed {seed}, {prompts_per_skill} fresh prompts
a skill (all sums within 20 and all products to 10), greedy, exact match of the whole answer, asked over HTTP.
Unseen: wordings and names that no training row has.

"""


@dataclass(frozen=True)
class Answer:
    text: str
    finish_reason: str


class Server:
    def __init__(self, url: str, model: str, tokenizer: Tokenizer) -> None:
        self._url, self._model, self._tokenizer = url, model, tokenizer

    def ask(self, prompt: str, **parameters: Any) -> Answer:
        body = {
            "model": self._model,
            "prompt": self._tokenizer.encode(prompt, add_special_tokens=False).ids,
            "temperature": 0,
            "max_tokens": _MAX_TOKENS,
            **parameters,
        }
        request = urllib.request.Request(
            f"{self._url}/v1/completions", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=600) as response:
                choice = json.load(response)["choices"][0]
        except urllib.error.HTTPError as error:
            sys.exit(f"the server answered {error.code}: {error.read().decode()[:500]}")
        return Answer(choice["text"], choice["finish_reason"])

    def ask_all(self, prompts: list[str], **parameters: Any) -> list[Answer]:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(lambda prompt: self.ask(prompt, **parameters), prompts))


def read_tokenizer(model: Path) -> Tokenizer:
    field = gguf.GGUFReader(model).get_field("tokenizer.ggml.merges")
    if field is None:
        sys.exit(f"{model} has no merges: it is no GGUF of Ember")
    left_right = [merge.split(" ") for merge in field.contents()]
    return build([(left, right) for left, right in left_right])


def _draw(skill: str, count: int, unseen: bool) -> list[Conversation]:
    rng = random.Random(f"{SEED} {skill} {unseen}")
    draw = SKILLS[skill]
    found: dict[str, Conversation] = {}
    # Few wordings and no values: then some prompts stand twice.
    for _ in range(count * 20):
        conversation = draw(rng, unseen)
        found.setdefault(prompt_of(conversation), conversation)
        if len(found) == count:
            break
    drawn = list(found.values())
    while len(drawn) < count:
        drawn.append(rng.choice(drawn))
    return drawn


def _share(server: Server, conversations: list[Conversation], misses: list[str]) -> float:
    answers = server.ask_all([prompt_of(one) for one in conversations])
    right = 0
    for conversation, answer in zip(conversations, answers, strict=True):
        expected = answer_text(conversation.expected)
        if answer.text == expected and answer.finish_reason == "stop":
            right += 1
        else:
            asked = conversation.turns[-2].text
            misses.append(
                json.dumps([conversation.skill, asked[-200:], expected, answer.text[:200]], ensure_ascii=False)
            )
    return 100 * right / len(conversations)


def _all_sums() -> list[Conversation]:
    sums = [(a, "+", b, a + b) for a in range(21) for b in range(21)]
    sums += [(a, "-", b, a - b) for a in range(21) for b in range(a + 1)]
    return [_sum(*one) for one in sums]


def _products() -> list[Conversation]:
    return [_sum(a, "*", b, a * b) for a in range(11) for b in range(11)]


def _sum(a: int, sign: str, b: int, c: int) -> Conversation:
    return ask("written sum", f"What is {a} {sign} {b}?", f"{a} {sign} {b} = {c}")


def _needles(tokens: int, count: int, tokenizer: Tokenizer) -> list[Conversation]:
    rng = random.Random(f"{SEED} needle {tokens}")
    drawn: list[Conversation] = []
    while len(drawn) < count:
        depth = (len(drawn) % 5) / 4
        one = long.needle(rng, tokens, depth)
        length = len(tokenizer.encode(prompt_of(one)).ids)
        if abs(length - tokens) < tokens * 0.08:
            drawn.append(one)
    return drawn


def _runaways(server: Server, kind: str, count: int) -> float:
    rng = random.Random(f"{SEED} runaway {kind}")
    conversations = [talk.noise(rng) if kind == "noise" else _ordinary(rng) for _ in range(count)]
    prompts = [prompt_of(one) for one in conversations]
    answers = server.ask_all(prompts, temperature=0.8, top_p=0.95, seed=1, max_tokens=_RUNAWAY_TOKENS)
    return 100 * sum(answer.finish_reason != "stop" for answer in answers) / count


def _ordinary(rng: random.Random) -> Conversation:
    while True:
        conversation = mix.draw(rng)
        if conversation.skill not in ("noise", "forced JSON", "needle", "many turns"):
            return conversation


def main() -> None:
    options = _options()
    tokenizer = read_tokenizer(options.model)
    server = Server(options.url, options.name, tokenizer)
    misses: list[str] = []
    seen = {skill: _share(server, _draw(skill, options.count, False), misses) for skill in SKILLS}
    seen["written sum"] = _share(server, _all_sums(), misses)
    seen["product"] = _share(server, _products(), misses)
    for tokens in (450, 900, 1300):
        seen[f"needle at {tokens} tokens"] = _share(server, _needles(tokens, options.count, tokenizer), misses)
    unseen = {skill: _share(server, _draw(skill, options.count, True), misses) for skill in SKILLS}
    unseen["written sum"] = _share(
        server, [numbers.written_sum(random.Random(f"{SEED} {index}"), True) for index in range(options.count)], misses
    )
    runaways = {
        kind: _runaways(server, kind, options.count * 5 if kind == "ordinary" else options.count)
        for kind in RUNAWAY_LIMIT
    }
    gated_unseen = [unseen[skill] for skill in GATES if skill in unseen]
    result = {
        "sha256": hashlib.sha256(options.model.read_bytes()).hexdigest(),
        "seed": SEED,
        "prompts_per_skill": options.count,
        "seen": seen,
        "unseen": unseen,
        "unseen_mean_over_gated_skills": sum(gated_unseen) / len(gated_unseen),
        "runaway_percent": runaways,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "evaluation.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if options.misses is not None:
        options.misses.write_text("\n".join(misses) + "\n", encoding="utf-8")
    table = to_table(result)
    (options.out / "evaluation.md").write_text(_HEAD.format(**result) + table + "\n", encoding="utf-8")
    print(table)
    missed = _missed(result)
    for line in missed:
        print(f"missed: {line}")
    sys.exit(1 if missed else 0)


def to_table(result: dict[str, Any]) -> str:
    lines = ["| skill | trained wordings | unseen wordings and names | gate |", "|---|---|---|---|"]
    for skill, share in result["seen"].items():
        other = result["unseen"].get(skill)
        gate = f"≥ {GATES[skill]}" if skill in GATES else ""
        lines.append(f"| {skill} | {share:.1f} % | {'' if other is None else f'{other:.1f} %'} | {gate} |")
    mean = result["unseen_mean_over_gated_skills"]
    lines.append(f"| mean of the gated skills, unseen | | {mean:.1f} % | ≥ {UNSEEN_GATE} |")
    for kind, share in result["runaway_percent"].items():
        lines.append(
            f"| {kind} prompts at temperature 0.8 that never end | {share:.1f} % | | ≤ {RUNAWAY_LIMIT[kind]:.0f} |"
        )
    return "\n".join(lines)


def _missed(result: dict[str, Any]) -> list[str]:
    missed = [
        f"{skill}: {result['seen'][skill]:.1f} % < {gate} %"
        for skill, gate in GATES.items()
        if result["seen"][skill] < gate
    ]
    mean = result["unseen_mean_over_gated_skills"]
    if mean < UNSEEN_GATE:
        missed.append(f"unseen wordings: {mean:.1f} % < {UNSEEN_GATE} %")
    for kind, limit in RUNAWAY_LIMIT.items():
        if result["runaway_percent"][kind] > limit:
            missed.append(f"{kind} prompts that never end: {result['runaway_percent'][kind]:.1f} % > {limit} %")
    return missed


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="recipe.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="of the server, without /v1")
    parser.add_argument("--name", default="ember", help="the model's name there")
    parser.add_argument("--model", type=Path, required=True, help="its GGUF file, for the tokeniser")
    parser.add_argument("--count", type=int, default=200, help="prompts per skill")
    parser.add_argument("--out", type=Path, required=True, help="folder of evaluation.json and evaluation.md")
    parser.add_argument("--misses", type=Path, help="file for the wrong answers, one JSON list a line")
    return parser.parse_args()


if __name__ == "__main__":
    main()
