"""Copy, and recall of what the prompt says: the skills that make a small model useful in tests."""

from __future__ import annotations

import random

from .. import words
from ..conversation import Conversation, Turn, ask
from ..phrasing import add_noise, phrase

_COPY = (
    "<Repeat|Say|Copy|Echo|Write|Print|Return|Output|Type|Give me>: {text}",
    "<Repeat|Say|Copy|Echo> <this|after me|the following|this text|these words|back to me>: {text}",
    '<Say|Repeat|Echo|Write|Print|Output|Type> "{text}"<|.|!>',
    "<Say|Repeat|Echo|Write> '{text}'<|.>",
    "<Please |>repeat <exactly|word for word|after me|this exactly>: {text}",
    "<Say|Write|Type|Output> <exactly|just|only>: {text}",
    '<Say|Write|Type|Output> <exactly |just |only |>"{text}" and nothing <else|more><.|>',
    "<Reply|Answer|Respond> with <the text|exactly|only|just|the words>: {text}",
    '<Reply|Answer|Respond> with <|exactly |only |just >"{text}"<.|>',
    "Copy <this line|this sentence|what I wrote|the next words>: {text}",
    "<Can|Could> you <say|repeat|copy|echo> <this|the following>: {text}",
    "I want you to <say|repeat|write>: {text}",
    "<Say|Repeat> {text}",
    "Echo {text}",
    "{text}\n<Repeat|Copy|Echo> <the line above|that|this line|what I wrote>.",
    '<Repeat|Copy|Echo> the text between the quotes: "{text}"',
    "<Tell me|Give me> <this|the following> back: {text}",
    "<Return|Output|Print> the <input|message|string|phrase> <unchanged|as it is|again>: {text}",
    "Your <answer|reply|response|output> <is|must be|shall be>: {text}",
    'I <want|expect|need> <the answer|the reply|nothing but> "{text}"<.|>',
    "<My words|These are my words|My text>: {text}\n<Repeat|Copy|Say> them.",
    '<Let me see|Show me> the <words|text|line> "{text}" again<.|>',
    "<Type|Write> <after|what follows>: {text}",
    "Use <exactly |>these words <as your answer|and no others>: {text}",
)
_COPY_UNSEEN = (
    "Parrot this back: {text}",
    'Your whole reply should be "{text}".',
    "Mirror my words: {text}",
    "Please output the following text: {text}",
)
_ONE_WORD = (
    "<Reply|Answer|Respond> with <the word|the single word|one word:|only the word> {text}<.|>",
    "Say the word {text}<.|>",
    "<Say|Write|Type> {text}<.|>",
    "<Just|Only|Simply> <say|write|answer|reply> {text}<.|>",
)


def copy(rng: random.Random, unseen: bool = False) -> Conversation:
    kind = rng.randrange(20)
    patterns: tuple[str, ...] = _COPY
    if kind < 6:
        text = words.sentence(rng, unseen)
        text += rng.choice(("", "", ".", "!")) if kind < 4 else ""
    elif kind < 10:
        text = " ".join(words.WORDS.sample(rng, rng.randint(1, 4), unseen))
        if " " not in text:
            patterns = (*_COPY, *_ONE_WORD)
    elif kind < 12:
        text = " ".join(words.made_up_word(rng) for _ in range(rng.randint(1, 4)))
    elif kind < 14:
        text = words.code(rng)
    elif kind < 15:
        text = words.email(rng, unseen)
    elif kind < 16:
        text = words.person(rng, unseen)
    elif kind < 17:
        text = " ".join(str(rng.randint(0, 999)) for _ in range(rng.randint(1, 4)))
    elif kind < 18:
        pools = (words.FRUITS, words.COLORS, words.ANIMALS, words.THINGS)
        text = ", ".join(rng.choice(pools).sample(rng, 2, unseen))
    elif kind < 19:
        text = _mixed(rng)
    else:
        text = "".join(rng.choice("äöüéèñçøåßαβγδλπдежзийあいう日本中文漢字🙂🎉🔥🌍") for _ in range(rng.randint(1, 4)))
    question = phrase(rng, _COPY_UNSEEN if unseen else patterns, text=text)
    if "\n" not in question and not question.endswith(text):
        question = add_noise(rng, question, keep=text.split())
    return ask("copy", question, text)


def _mixed(rng: random.Random) -> str:
    kind = rng.randrange(4)
    word = words.WORDS.draw(rng)
    if kind == 0:
        return f"{word}_{words.WORDS.draw(rng)}"
    if kind == 1:
        return f"/{word}/{words.WORDS.draw(rng)}.{rng.choice(('txt', 'json', 'md', 'py'))}"
    if kind == 2:
        return f"{word}: {words.code(rng)}"
    return f"{rng.randint(1, 28)}.{rng.randint(1, 12)}.{rng.randint(1990, 2030)}"


_KINDS = (
    # (statement, questions, answer); {who} {what} are drawn per kind.
    (
        "color",
        "<The|My|Our> {thing} is {value}.",
        (
            "What color is the {thing}?",
            "<Which|What> color does the {thing} have?",
            "Tell me the color of the {thing}.",
            "<Is|Was> the {thing} red or green or what?",
            "<I wonder what|What was the> color <is the|of the> {thing}<?| again?>",
            "The {thing}: <what|which> color?",
            "In <which|what> color <is|comes> the {thing}?",
        ),
        "The {thing} is {value}.",
    ),
    (
        "place",
        "<The|My|Your> {thing} is in the {value}.",
        (
            "Where is the {thing}?",
            "Where can I find the {thing}?",
            "Where did I <put|leave> the {thing}?",
            "<Do you know|Can you say|Tell me> where the {thing} is<?|.>",
            "In which <place|room|spot> is the {thing}?",
            "I <look for|miss|need> the {thing}. Where is it?",
            "What place <holds|has> the {thing}?",
        ),
        "The {thing} is in the {value}.",
    ),
    (
        "code",
        "<The code <of|for> the {thing} is|The {thing} has the code> {value}.",
        (
            "What is the code <of|for> the {thing}?",
            "Which code does the {thing} have?",
            "Give me the code of the {thing}.",
            "<Do you know|Can you tell me|Remind me of> the code of the {thing}<?|.>",
            "I need the code for the {thing}<. What was it?|.|>",
            "What was the code of the {thing}<| again>?",
            "The {thing} <wants|needs> a code. <Which|What> is it?",
        ),
        "The code of the {thing} is {value}.",
    ),
    (
        "likes",
        "{who} likes {value}<s|>.",
        (
            "What does {who} like?",
            "Tell me what {who} likes.",
            "What is it that {who} likes?",
            "<Do you know|Can you say> what {who} likes?",
            "<Which|What> things does {who} like?",
            "{who} likes what?",
            "Name what {who} likes<.|>",
        ),
        "{who} likes {value}.",
    ),
    (
        "lives",
        "{who} lives in {value}.",
        (
            "Where does {who} live?",
            "<In which|Which> city does {who} live<| in>?",
            "What is the home of {who}?",
            "<Do you know|Can you say|Tell me> where {who} lives<?|.>",
            "{who} lives where?",
            "<Tell me|Give me> the city of {who}.",
            "What city <is|was> {who} <at home |living >in?",
        ),
        "{who} lives in {value}.",
    ),
    (
        "age",
        "{who} is {value} years old.",
        (
            "How old is {who}?",
            "What is the age of {who}?",
            "Tell me the age of {who}.",
            "<Do you know|Can you say> how old {who} is?",
            "{who} is how old?",
            "What age <is|has> {who}?",
            "<Give me|I need> {who}'s age.",
        ),
        "{who} is {value} years old.",
    ),
    (
        "number",
        "The {thing} <costs|is> {value} <dollars|coins>.",
        (
            "How much is the {thing}?",
            "What does the {thing} cost?",
            "What is the price of the {thing}?",
            "<Do you know|Can you say|Tell me> the price of the {thing}<?|.>",
            "How much do I pay for the {thing}?",
            "How many dollars <is|costs> the {thing}?",
            "I buy the {thing}. <How much|What do I pay>?",
        ),
        "The {thing} costs {value}.",
    ),
)
_RECALL_UNSEEN = {
    "color": "Do you know the {thing}'s color?",
    "place": "In what place is the {thing} now?",
    "code": "I forgot the code that belongs to the {thing}. What is it?",
    "likes": "Can you tell me the thing that {who} likes?",
    "lives": "Name the city where {who} lives.",
    "age": "How many years old is {who}?",
    "number": "How many coins do I need for the {thing}?",
}


def _fact(rng: random.Random, unseen: bool) -> tuple[str, str, str]:
    """A statement, a question on it and the answer."""
    kind, statement, questions, answer = rng.choice(_KINDS)
    value: str
    if kind == "color":
        value = words.COLORS.draw(rng, unseen)
    elif kind == "place":
        value = words.PLACES.draw(rng, unseen)
    elif kind == "code":
        value = words.code(rng)
    elif kind == "likes":
        value = rng.choice((words.ANIMALS, words.FRUITS)).draw(rng, unseen) + "s"
        statement = "{who} likes {value}."
    elif kind == "lives":
        value = words.CITIES.draw(rng, unseen)
    else:
        value = str(rng.randint(2, 99))
    fields = {"thing": words.THINGS.draw(rng, unseen), "who": words.NAMES.draw(rng, unseen), "value": value}
    question = _RECALL_UNSEEN[kind] if unseen else phrase(rng, questions, **fields)
    return (
        phrase(rng, (statement,), **fields),
        question.format(**fields),
        answer.format(**fields),
    )


def recall(rng: random.Random, unseen: bool = False) -> Conversation:
    """One to five facts, with or without sentences between, and a question about one of them."""
    facts: list[tuple[str, str, str]] = []
    subjects: set[str] = set()
    while len(facts) < (wanted := rng.choice((1, 1, 2, 2, 3, 4, 5))) and len(subjects) < 40:
        fact = _fact(rng, unseen)
        if fact[2].split(" ")[:6] not in [other[2].split(" ")[:6] for other in facts]:
            facts.append(fact)
        subjects.add(fact[1])
        if len(facts) >= wanted:
            break
    chosen = rng.choice(facts)
    lines = [fact[0] for fact in facts]
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        lines.insert(rng.randint(0, len(lines)), words.sentence(rng, unseen) + ".")
    lead = "" if unseen else rng.choice(("", "", "", "Remember: ", "Here is what I know. ", "Text: ", "Read this: "))
    separator = rng.choice((" ", " ", "\n"))
    question = lead + separator.join(lines) + separator + chosen[1]
    return ask("recall", question, chosen[2])


_INTRODUCTION = (
    "<Hi|Hello|Hey|Good morning|>, <my name is|I am|I'm|this is|call me> {name}<.|!|>",
    "My name is {name}<.|>",
    "I am {name} <and I like {like}|from {city}|and I live in {city}>.",
    "My name is {name} <and I like {like}|and I am from {city}>.",
    "<You can call me|People call me|They call me> {name}.",
    "<I'm|I am> {name}, nice to meet you<.|!>",
    "<Hi|Hello|Greetings> <from {name}|to you from {name}|it is {name}><.|!>",
    "<It's me|It is me|Me again>, {name}<.|!>",
    "<Here is|This here is> {name}<.|!>",
    "<Please |>call me {name}<.|>",
    "{name} is my name<.|!>",
    "<Everybody|My mother|The world> calls me {name}<.|>",
    "<Know|Note|Remember> that I am <called |>{name}<.|>",
)
_INTRODUCTION_UNSEEN = ("Good day, the name is {name}.", "Let me introduce myself: {name}.")
_NAME_QUESTION = (
    "What is my name?",
    "What's my name?",
    "<Do|Can> you <remember|recall|know|tell me> my name?",
    "Who am I?",
    "Tell me my name<.|>",
    "<Say|Repeat> my name<.|>",
    "How did I say I am called?",
    "<And what|What> was my name<| again>?",
    "<Which|What> name <do|did> I <have|say|use|tell you>?",
    "How <am I|was I|do you> <called|named|call me>?",
    "<Please |>give me my name<.|>",
    "<Do you still know|Have you forgotten> <who I am|my name|what my name is>?",
    "I forgot <my|my own> name. <What is it?|Help me.|Who am I?>",
    "My name is what?",
    "<With|By> <what|which> name <do|will> you <call|greet> me?",
    "Say who I am<.|>",
)
_NAME_QUESTION_UNSEEN = ("Which name did I give you?", "What am I called?")


def _introduction(rng: random.Random, unseen: bool, name: str) -> str:
    text = phrase(
        rng,
        _INTRODUCTION_UNSEEN if unseen else _INTRODUCTION,
        name=name,
        like=rng.choice((words.ANIMALS, words.FRUITS)).draw(rng) + "s",
        city=words.CITIES.draw(rng),
    ).lstrip(", ")
    return text[:1].upper() + text[1:]


def introduce(rng: random.Random, unseen: bool = False) -> Conversation:
    name = words.NAMES.draw(rng, unseen)
    return ask("introduction", _introduction(rng, unseen, name), f"Nice to meet you, {name}!")


def name_over_turns(rng: random.Random, unseen: bool, fillers: list[Conversation]) -> Conversation:
    """An introduction, up to a few other exchanges, and the question for the name."""
    name = words.NAMES.draw(rng, unseen)
    turns = [Turn("user", _introduction(rng, unseen, name)), Turn("assistant", f"Nice to meet you, {name}!")]
    for filler in fillers:
        # A second introduction would leave two names to choose from.
        if filler.skill != "introduction":
            turns.extend(filler.turns)
    question = phrase(rng, _NAME_QUESTION_UNSEEN if unseen else _NAME_QUESTION)
    turns += [Turn("user", question), Turn("assistant", f"Your name is {name}.")]
    return Conversation("names over turns", tuple(turns))
