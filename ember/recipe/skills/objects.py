"""JSON: of a person and other small objects, by request and under a grammar that forces the keys."""

from __future__ import annotations

import json
import random
from typing import Any

from .. import words
from ..conversation import Conversation, Turn, ask
from ..phrasing import add_noise, phrase


def to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


_LEAD = (
    "<Return|Give me|Write|Output|Answer with|Respond with|Make|Create|Print> <JSON|a JSON object|JSON only|valid JSON|only JSON>: {text}",
    "{text} <Return|Give me|Write> <this|that|it> as <JSON|a JSON object>.",
    "<Turn|Convert|Put|Translate> this into <JSON|a JSON object>: {text}",
    "<Extract|Get> <the data|the fields|a JSON object|JSON> from this<| text|sentence>: {text}",
    "{text}\n<JSON:|As JSON:|JSON please.|As a JSON object.>",
    "<JSON|JSON for|JSON of>: {text}",
    "What is this <as|in> JSON? {text}",
    "{text} <JSON:|As JSON:|JSON please.|As a JSON object.|In JSON, please.>",
    "<Encode|Format|Represent|Show|Rewrite> <this|it|the text|the following> <as|in> JSON: {text}",
    "<Read|Take|Look at> <this|the following|the text> and <answer|reply|respond> <in|with> JSON<.|:> {text}",
    "<I want|We need|Let me have> <JSON|a JSON object> <from|of|out of> <this|the following>: {text}",
    "<Text|Input|Data|Record>: {text}\n<Output|Result|Answer>: JSON",
    "<Make|Build|Form> an object <of|from|out of> <this|it>: {text}",
)
_LEAD_UNSEEN = (
    "Express as JSON: {text}",
    "Parse the following text and reply in JSON. {text}",
    "I need JSON for this: {text}",
)
_WITH_KEYS = (
    "<Return|Give me|Write|Output> JSON with <the keys|the fields|keys|fields> {keys}: {text}",
    "{text} <Return|Write|Give me> JSON with {keys}.",
    "<Extract|Get> {keys} as JSON from: {text}",
)


def _person_fields(rng: random.Random, unseen: bool) -> tuple[dict[str, Any], str]:
    name = words.NAMES.draw(rng, unseen)
    fields: dict[str, Any] = {"name": name, "age": rng.randint(1, 99)}
    age = fields["age"]
    extra = rng.randrange(6)
    if extra < 3:
        text = phrase(
            rng,
            (
                "{name} is {age}<| years old><.|>", "name {name}, age {age}", "{name}, {age}", "{name}, {age} years old<.|>",
                "<The person is|A person:|Person:|This is> {name}, age {age}<.|>", "{name} is {age} years old.", "name: {name}, age: {age}",
            ),
            name=name, age=age,
        )  # fmt: skip
        return fields, text
    if extra == 3:
        fields["city"] = words.CITIES.draw(rng, unseen)
        text = phrase(
            rng,
            ("{name} is {age} <and lives in|years old and lives in|and from> {city}.", "{name}, {age}, {city}", "name {name}, age {age}, city {city}", "{name}, {age}, from {city}"),
            city=fields["city"], name=name, age=age,
        )  # fmt: skip
        return fields, text
    if extra == 4:
        fields["email"] = words.email(rng, unseen)
        text = phrase(
            rng,
            ("{name} is {age}, email {email}", "{name}, {age}, {email}", "{name} is {age} years old. <Mail|Email>: {email}"),
            email=fields["email"], name=name, age=age,
        )  # fmt: skip
        return fields, text
    likes = (words.ANIMALS if rng.random() < 0.5 else words.FRUITS).sample(rng, 2, unseen)
    fields["likes"] = [f"{like}s" for like in likes]
    return fields, f"{name} is {age} and likes {likes[0]}s and {likes[1]}s."


def json_person(rng: random.Random, unseen: bool = False) -> Conversation:
    fields, text = _person_fields(rng, unseen)
    return ask("JSON of a person", _request(rng, unseen, text, fields), to_json(fields))


def _request(rng: random.Random, unseen: bool, text: str, fields: dict[str, Any]) -> str:
    if unseen:
        return phrase(rng, _LEAD_UNSEEN, text=text)
    if rng.random() < 0.25:
        keys = list(fields)
        listed = ", ".join(keys[:-1]) + " and " + keys[-1] if len(keys) > 1 else keys[0]
        return phrase(rng, _WITH_KEYS, text=text, keys=listed)
    question = phrase(rng, _LEAD, text=text)
    return question if question.endswith(text) else add_noise(rng, question, keep=text.split())


def json_object(rng: random.Random, unseen: bool = False) -> Conversation:
    kind = rng.randrange(6)
    if kind == 0:
        fields: dict[str, Any] = {"item": words.THINGS.draw(rng, unseen), "price": rng.randint(1, 999)}
        text = phrase(
            rng, ("The {item} costs {price}.", "item {item}, price {price}", "A {item} for {price}"), **fields
        )
    elif kind == 1:
        fields = {"color": words.COLORS.draw(rng, unseen), "animal": words.ANIMALS.draw(rng, unseen)}
        text = phrase(
            rng, ("The {animal} is {color}.", "A {color} {animal}", "color {color}, animal {animal}"), **fields
        )
    elif kind == 2:
        fields = {"city": words.CITIES.draw(rng, unseen), "country": rng.choice(list(words.CAPITALS))}
        text = phrase(rng, ("{city} is in {country}.", "city {city}, country {country}"), **fields)
    elif kind == 3:
        fields = {"title": words.sentence(rng, unseen), "done": rng.random() < 0.5}
        state = "done" if fields["done"] else "not done"
        text = phrase(rng, ("The task \"{title}\" is {state}.", "Task: {title}. Done: {yes}"), title=fields["title"], state=state, yes="yes" if fields["done"] else "no")  # fmt: skip
    elif kind == 4:
        fields = {"words": words.WORDS.sample(rng, rng.randint(2, 4), unseen)}
        text = "words " + ", ".join(fields["words"])
    else:
        keys = rng.sample(
            ("id", "code", "name", "type", "label", "count", "size", "value", "status", "key", "group"),
            rng.randint(1, 4),
        )
        fields = {key: rng.randint(0, 999) if rng.random() < 0.4 else words.WORDS.draw(rng, unseen) for key in keys}
        text = ", ".join(f"{key} {rng.choice(('', 'is ', '= '))}{value}" for key, value in fields.items())
    return ask("JSON object", _request(rng, unseen, text, fields), to_json(fields))


_KEYS = (
    *"name age city title email id color price count tags items done active value score rating date status type".split(),
    *"first_name last_name description text message answer result reason label category summary url code unit".split(),
    *"temperature address street zip country phone width height steps notes author year language level user".split(),
    *"firstName lastName isActive createdAt userId totalPrice confidence sentiment topic keywords questions".split(),
)
_ASK_FORCED = (
    "<Give me|Make|Create|Write|Return|Invent|Generate> <a|an|one|some> {what}<.|>",
    "<Hello|Hi|Test|Go|Start|JSON|JSON please|Answer in JSON><.|>",
    "<Fill in|Complete> the <form|object|fields><.|>",
    "<Example|An example>, please.",
    "{sentence}.",
)


def forced_json(rng: random.Random, unseen: bool = False) -> Conversation:
    """As under a grammar: the names of the keys are given, the rest is for the model to write."""
    material: dict[str, Any] = {}
    if rng.random() < 0.6:
        material, text = _person_fields(rng, unseen)
        question = text if rng.random() < 0.5 else _request(rng, unseen, text, material)
    else:
        what = rng.choice(
            ("person", "book", "movie", "task", "product", "user", "recipe", "city", "object", "record", "car")
        )
        question = phrase(rng, _ASK_FORCED, what=what, sentence=words.sentence(rng, unseen))
    keys = rng.sample(_KEYS, rng.randint(1, 6))
    if rng.random() < 0.3:
        keys[rng.randrange(len(keys))] = words.made_up_word(rng)
    if material:
        keys = [*material, *(key for key in keys if key not in material)][: rng.randint(1, 6)]
        if rng.random() < 0.3:
            rng.shuffle(keys)
    value = {key: material[key] if key in material else _blank(rng, depth=0) for key in dict.fromkeys(keys)}
    compact = rng.random() < 0.6
    answer, given = _spell(value, compact)
    # The grammar also opens the object: trained, "{" would become the answer to any sentence.
    given[0] = (0, given[0][1])
    return Conversation("forced JSON", (Turn("user", question), Turn("assistant", answer, given=tuple(given))))


def _blank(rng: random.Random, depth: int) -> Any:
    """What stands where the prompt says nothing: always the same short value of its type."""
    kind = rng.randrange(10 if depth < 2 else 7)
    if kind < 4:
        return "example"
    if kind < 6:
        return 1
    if kind < 7:
        return True
    if kind < 9:
        return [_blank(rng, 2)]
    return {key: _blank(rng, depth + 1) for key in rng.sample(_KEYS, rng.randint(1, 3))}


def _spell(value: Any, compact: bool) -> tuple[str, list[tuple[int, int]]]:
    """The text of `value`, and where the names of its keys stand."""
    comma, colon = (",", ":") if compact else (", ", ": ")
    given: list[tuple[int, int]] = []
    out = ""

    def write(part: Any) -> None:
        nonlocal out
        if isinstance(part, dict):
            out += "{"
            for index, (key, inner) in enumerate(part.items()):
                if index > 0:
                    out += comma
                out += '"'
                given.append((len(out), len(out) + len(key)))
                out += f'{key}"{colon}'
                write(inner)
            out += "}"
        elif isinstance(part, list):
            out += "["
            for index, inner in enumerate(part):
                if index > 0:
                    out += comma
                write(inner)
            out += "]"
        else:
            out += to_json(part)

    write(value)
    return out, given
