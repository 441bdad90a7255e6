"""Sums learnt by heart, counting, comparing, word problems. Every sum is written "a + b = c" first."""

from __future__ import annotations

import random

from .. import words
from ..conversation import Conversation, ask
from ..phrasing import add_noise, expand, phrase

_SIGN_WORDS = {"+": "plus", "-": "minus", "*": "times"}
_SUM = (
    "What is {a} {s} {b}?",
    "<What's|Calculate|Compute|Work out|Solve|How much is> {a} {s} {b}<?|>",
    "{a} {s} {b}",
    "{a} {s} {b} =",
    "{a} {s} {b} = ?",
    "<What is|How much is|Tell me> {a} {w} {b}<?|>",
    "{a} {w} {b}<?|>",
    "What <do I get for|is the result of> {a} {s} {b}?",
    "<Please |><work out|solve|do|answer|calculate>: {a} {s} {b}",
    "<Can|Could> you <calculate|compute|solve|tell me> {a} {s} {b}?",
    "<Give me|I want|Find|Do> <the result of |>{a} {s} {b}<.|>",
    "<And|Now|So> {a} {s} {b}<?|>",
    "{a} {s} {b} <is|makes|gives><| what?>",
)
_SUM_UNSEEN = ("Please evaluate {a} {s} {b}.", "Can you do {a} {s} {b} for me?", "I need the value of {a} {s} {b}.")
TOO_LARGE = "That is too large for me: I only know small sums."


def draw_sum(rng: random.Random) -> tuple[int, str, int, int]:
    """Sums and differences from 0 to 20, never below 0, and products to 10."""
    kind = rng.randrange(5)
    if kind < 2:
        a = rng.randint(0, 20)
        b = rng.randint(0, 20)
        return a, "+", b, a + b
    if kind < 4:
        a = rng.randint(0, 20)
        b = rng.randint(0, a)
        return a, "-", b, a - b
    a = rng.randint(0, 10)
    b = rng.randint(0, 10)
    return a, "*", b, a * b


def written_sum(rng: random.Random, unseen: bool = False) -> Conversation:
    patterns = _SUM_UNSEEN if unseen else _SUM
    if not unseen and rng.random() < 0.05:
        a, s, b = rng.randint(50, 99999), rng.choice("+-*"), rng.randint(21, 9999)
        return ask("large sum", phrase(rng, patterns, a=a, s=s, b=b, w=_SIGN_WORDS[s]), TOO_LARGE)
    a, s, b, c = draw_sum(rng)
    sign = "x" if s == "*" and rng.random() < 0.3 else s
    question = phrase(rng, patterns, a=a, s=sign, b=b, w=_SIGN_WORDS[s])
    if rng.random() < 0.15:
        question = question.replace(" + ", "+").replace(" - ", "-").replace(" * ", "*")
    return ask("written sum", question, f"{a} {s} {b} = {c}")


def list_of_sums(rng: random.Random, unseen: bool = False) -> Conversation:
    """Dense practice: three to twelve sums in one answer."""
    sums = [draw_sum(rng) for _ in range(rng.randint(3, 12))]
    separator = rng.choice((", ", "; ", "\n", " and "))
    asked = separator.join(f"{a} {s} {b}" for a, s, b, _ in sums)
    lead = (
        "Please do these: "
        if unseen
        else expand(rng, "<Solve|Calculate|Compute|Work out|What is|Do>< all of these|>: ")
    )
    return ask("list of sums", lead + asked, "\n".join(f"{a} {s} {b} = {c}" for a, s, b, c in sums))


def thought_sum(rng: random.Random, unseen: bool = False) -> Conversation:
    a, s, b, c = draw_sum(rng)
    question = phrase(rng, _SUM_UNSEEN if unseen else _SUM, a=a, s=s, b=b, w=_SIGN_WORDS[s])
    answer = f"<think>\n{a} {s} {b} = {c}\n</think>\n\nThe answer is {c}."
    return ask("thought", f"{question} /think", answer)


_PROBLEMS = {
    "+": (
        "{who} has {a} {what} and <gets|buys|finds|receives> {b} more. How many {what} does {who} have<| now>?",
        "{who} has {a} {what}. {other} gives {who} {b} more. How many {what} does {who} have<| now>?",
        "There are {a} {what} in a box. {who} puts {b} more in. How many {what} are in the box?",
        "<On the shelf|In the bag|In the drawer> are {a} {what}. {b} more <come|are put there|follow>. How many {what} are there<| now>?",
        "{who} finds {a} {what} and then {b} <more|others>. How many {what} <is that|are these|did {who} find>?",
    ),
    "-": (
        "{who} has {a} {what} and <loses|sells|gives away|eats> {b}. How many {what} <are left|does {who} have>?",
        "{who} has {a} {what}. {who} gives {b} to {other}. How many {what} does {who} have<| left| now>?",
        "There are {a} {what} in a box. {who} takes {b} out. How many {what} are <left|in the box>?",
        "<On the shelf|In the bag|In the drawer> are {a} {what}. {b} <are taken away|fall down|get lost>. How many {what} <stay|are left|are still there>?",
        "{who} <made|bought|had> {a} {what} but {b} <broke|were lost|are gone>. How many {what} are <left|still there>?",
    ),
    "*": (
        "{who} has {a} boxes with {b} {what} each. How many {what} does {who} have?",
        "There are {a} bags. Each bag holds {b} {what}. How many {what} are there?",
        "{who} <has|fills|carries> {a} <bags|baskets|rows> of {b} {what}. How many {what} <are these|are there|does {who} have>?",
        "<In each|On each> of {a} <boxes|shelves|tables> are {b} {what}. How many {what} <are there|is it> <in all|together>?",
    ),
}
_PROBLEMS_UNSEEN = {
    "+": ("{a} {what} lie on the table. {who} adds {b} more. How many {what} lie there now?",),
    "-": ("{a} {what} lie on the table. {who} takes {b} of them. How many {what} remain?",),
    "*": ("{who} buys {a} packs of {b} {what}. How many {what} is that?",),
}


def word_problem(rng: random.Random, unseen: bool = False) -> Conversation:
    a, s, b, c = draw_sum(rng)
    who, other = words.NAMES.sample(rng, 2, unseen)
    patterns = (_PROBLEMS_UNSEEN if unseen else _PROBLEMS)[s]
    what = words.PLURALS.draw(rng, unseen)
    pattern = expand(rng, rng.choice(patterns))
    question = pattern.format(who=who, other=other, what=what, a=a, b=b)
    return ask("word problem", question, f"{a} {s} {b} = {c}\nThe answer is {c}.")


_COUNT_UP = (
    "Count <to|up to|from 1 to> {n}<.|>",
    "<Can|Could> you count to {n}?",
    "<List|Write|Say|Give me|Print> the numbers <from 1 to|1 to|up to> {n}<.|>",
)
_COUNT_DOWN = ("Count <down|backwards> from {n}<.|>", "<Start|Do> a countdown from {n}<.|>", "Count from {n} to 1<.|>")


def count(rng: random.Random, unseen: bool = False) -> Conversation:
    n = rng.randint(2, 20)
    written: object = words.NUMBER_WORDS[n] if rng.random() < 0.25 else n
    if rng.random() < 0.65:
        question = f"Name all numbers up to {written}." if unseen else phrase(rng, _COUNT_UP, n=written)
        return ask("count", add_noise(rng, question), ", ".join(str(i) for i in range(1, n + 1)))
    question = f"Backwards from {written}, please." if unseen else phrase(rng, _COUNT_DOWN, n=written)
    return ask("count", add_noise(rng, question), ", ".join(str(i) for i in range(n, 0, -1)))


_LISTS = {
    "colors": words.COLORS,
    "fruits": words.FRUITS,
    "animals": words.ANIMALS,
    "names": words.NAMES,
    "cities": words.CITIES,
}
_MEMBERS = {
    "colors": "red blue green yellow black white orange purple brown pink".split(),
    "fruits": "apple pear banana cherry plum grape lemon peach mango kiwi".split(),
    "animals": "cat dog horse cow pig sheep lion bear fox wolf".split(),
    "names": "Alice Bob Carol David Emma Frank Grace Hannah Iris Jack".split(),
    "cities": "Paris London Berlin Madrid Rome Vienna Oslo Dublin Lisbon Prague".split(),
}
_NAME_N = (
    "<Name|List|Give me|Tell me|Write|Say> {n} {kind}<.|>",
    "<Can|Could> you <name|list|give me> {n} {kind}?",
    "<Name|List> {n} {kind} <for me|please>.",
    "I need {n} {kind}.",
)


def name_n_things(rng: random.Random, unseen: bool = False) -> Conversation:
    """The same first n every time, with the count said first, so that it stops in the right place."""
    kind = rng.choice(list(_LISTS))
    n = rng.randint(2, 10)
    number = words.NUMBER_WORDS[n]
    written: object = number if rng.random() < 0.6 else n
    question = f"What are {written} {kind} you know?" if unseen else phrase(rng, _NAME_N, n=written, kind=kind)
    members = [f"{index}. {member}" for index, member in enumerate(_MEMBERS[kind][:n], 1)]
    return ask("name n things", add_noise(rng, question), f"{number.capitalize()} {kind}:\n" + "\n".join(members))


def compare(rng: random.Random, unseen: bool = False) -> Conversation:
    if rng.random() < 0.5:
        a, b = rng.sample(range(0, 100), 2)
        larger = rng.random() < 0.5
        word = rng.choice(("larger", "bigger", "greater") if larger else ("smaller", "lower"))
        question = (
            f"Out of {a} and {b}, which one is {word}?"
            if unseen
            else phrase(
                rng,
                (
                    "<Which|What> <is|number is> {word}, {a} or {b}?",
                    "Is {a} or {b} {word}?",
                    "Which is the {word} number: {a} or {b}?",
                ),
                word=word,
                a=a,
                b=b,
            )
        )
        low, high = sorted((a, b))
        answer = f"{high} is {word} than {low}." if larger else f"{low} is {word} than {high}."
        return ask("compare", question, answer)
    n = rng.randint(0, 99)
    question = (
        f"Tell me if {n} is an even or an odd number."
        if unseen
        else phrase(rng, ("Is {n} <odd or even|even or odd>?", "Is the number {n} even or odd?"), n=n)
    )
    return ask("compare", question, f"{n} is {'even' if n % 2 == 0 else 'odd'}.")
