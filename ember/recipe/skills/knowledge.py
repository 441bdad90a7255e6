"""The little general knowledge that Ember has: capitals, days, months, colours, sounds, opposites."""

from __future__ import annotations

import random

from .. import words
from ..conversation import Conversation, ask
from ..phrasing import add_noise, phrase

_CAPITAL = (
    "What is the capital of {country}?",
    "What's the capital of {country}?",
    "<Which|What> city is the capital of {country}?",
    "<Tell me|Name|Give me|Do you know|Say> the capital <city |>of {country}<.|?>",
    "<Which|What> is the capital city of {country}?",
    "The capital of {country} is<| ...| ___|:>",
    "Capital of {country}<?|>",
    "<I want|I need|I would like> to know the capital of {country}.",
    "<Can|Could> you <tell me|name> the capital of {country}?",
    "What is {country}'s capital<| city>?",
    "{country}: capital?",
    "<Which|What> city <governs|rules|leads> {country}?",
    "<Where is|Where sits> the government of {country}?",
    "{country} has <what|which> capital?",
    "I <forgot|want to know|must know> <the capital of {country}|{country}'s capital><. What is it?|.|>",
    "<Name|Say|Write|Tell me> {country}'s capital<.|, please.|>",
    "<Do you know|Tell me> what the capital of {country} is<?|.>",
    "The <main|first|capital> city of {country}<?|, please.|>",
)
_CAPITAL_UNSEEN = (
    "In which city does the government of {country} sit?",
    "Which capital does {country} have?",
    "Name {country}'s capital city for me.",
)
_COUNTRY = (
    "{capital} is the capital of <which|what> country?",
    "Which country has the capital {capital}?",
    "<Of which|Of what> country is {capital} the capital?",
    "What country is {capital} the capital of?",
)
_COUNTRY_UNSEEN = ("Name the country whose capital is {capital}.",)


def _start(text: str) -> str:
    return text[:1].upper() + text[1:]


def capital(rng: random.Random, unseen: bool = False) -> Conversation:
    country, city = rng.choice(list(words.CAPITALS.items()))
    question = _start(phrase(rng, _CAPITAL_UNSEEN if unseen else _CAPITAL, country=country))
    question = question if unseen else add_noise(rng, question, keep=country.split())
    return ask("capital", question, f"The capital of {country} is {city}.")


def country_of(rng: random.Random, unseen: bool = False) -> Conversation:
    country, city = rng.choice(list(words.CAPITALS.items()))
    question = phrase(rng, _COUNTRY_UNSEEN if unseen else _COUNTRY, capital=city)
    return ask("country of a capital", question, f"{city} is the capital of {country}.")


_SOUNDS = {
    "dog": "woof", "cat": "meow", "cow": "moo", "duck": "quack", "sheep": "baa", "pig": "oink", "horse": "neigh",
    "lion": "roar", "owl": "hoot", "bee": "buzz", "snake": "hiss", "frog": "ribbit", "wolf": "howl", "hen": "cluck",
}  # fmt: skip
_COLORS_OF = {
    "the sky": "blue", "grass": "green", "snow": "white", "blood": "red", "the sun": "yellow", "coal": "black",
    "a lemon": "yellow", "a cherry": "red", "milk": "white", "an orange": "orange", "a plum": "purple",
    "chocolate": "brown", "the sea": "blue", "a banana": "yellow", "a leaf": "green", "fire": "orange",
}  # fmt: skip
_OPPOSITES = {
    "hot": "cold", "big": "small", "up": "down", "day": "night", "old": "new", "fast": "slow", "happy": "sad",
    "light": "dark", "wet": "dry", "full": "empty", "open": "closed", "left": "right", "good": "bad", "hard": "soft",
    "early": "late", "yes": "no", "high": "low", "long": "short", "strong": "weak", "rich": "poor",
}  # fmt: skip
_UNITS = (
    (("How many days does a week have?", "How many days are <in|there in> a week?"), "A week has 7 days."),
    (("How many months does a year have?", "How many months are <in|there in> a year?"), "A year has 12 months."),
    (("How many hours does a day have?", "How many hours are <in|there in> a day?"), "A day has 24 hours."),
    (("How many minutes are <in|there in> an hour?", "How many minutes does an hour have?"), "An hour has 60 minutes."),
    (("How many seconds are <in|there in> a minute?", "How many seconds does a minute have?"), "A minute has 60 seconds."),
    (("How many legs does a dog have?", "How many legs has a dog?"), "A dog has 4 legs."),
    (("How many legs does a spider have?", "How many legs has a spider?"), "A spider has 8 legs."),
    (("How many days does a year have?", "How many days are <in|there in> a year?"), "A year has 365 days."),
    (("How many letters <does the alphabet have|are in the alphabet>?",), "The English alphabet has 26 letters."),
    (("<List|Name|What are|Tell me> the days of the week<.|>",), "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
    (("<List|Name|What are|Tell me> the months of the year<.|>",), ", ".join(words.MONTHS)),
    (("<List|Name|What are|Tell me> the <four |>seasons<.|>",), "Spring, summer, autumn, winter"),
)  # fmt: skip


def fact(rng: random.Random, unseen: bool = False) -> Conversation:
    question, answer = _draw_fact(rng, unseen)
    return ask("fact", question if unseen else add_noise(rng, question), answer)


def _draw_fact(rng: random.Random, unseen: bool) -> tuple[str, str]:
    kind = rng.randrange(12)
    patterns: tuple[str, ...]
    if kind < 2:
        index = rng.randrange(7)
        after = rng.random() < 0.6
        day, other = words.DAYS[index], words.DAYS[(index + (1 if after else -1)) % 7]
        patterns = (
            "<What|Which> day <comes|is> {w} {day}?",
            "What comes {w} {day}?",
            "The day {w} {day} is<| ...| ___>",
        )
        if unseen:
            patterns = ("Name the day that follows {day}." if after else "Name the day that precedes {day}.",)
        return phrase(
            rng, patterns, day=day, w="after" if after else "before"
        ), f"{other} comes {'after' if after else 'before'} {day}."
    if kind < 4:
        index = rng.randrange(12)
        after = rng.random() < 0.6
        month, other = words.MONTHS[index], words.MONTHS[(index + (1 if after else -1)) % 12]
        patterns = (
            "<What|Which> month <comes|is> {w} {month}?",
            "What comes {w} {month}?",
            "The month {w} {month} is<| ...| ___>",
        )
        if unseen:
            patterns = ("Name the month that follows {month}." if after else "Name the month that precedes {month}.",)
        return phrase(
            rng, patterns, month=month, w="after" if after else "before"
        ), f"{other} comes {'after' if after else 'before'} {month}."
    if kind < 6:
        animal, sound = rng.choice(list(_SOUNDS.items()))
        patterns = (
            "<What|Which> sound does a {a} make?",
            "What does a {a} say?",
            "How does a {a} sound?",
            "What noise does a {a} make?",
        )
        if unseen:
            patterns = ("Which noise comes from a {a}?",)
        return phrase(rng, patterns, a=animal), f"A {animal} says {sound}."
    if kind < 8:
        thing, color = rng.choice(list(_COLORS_OF.items()))
        patterns = (
            "What color is {t}?",
            "<Which|What> color does {t} have?",
            "Tell me the color of {t}<.|>",
            "What is the color of {t}?",
        )
        if unseen:
            patterns = ("How is {t} colored?",)
        return phrase(rng, patterns, t=thing), f"{_start(thing)} is {color}."
    if kind < 10:
        word, opposite = rng.choice(list(_OPPOSITES.items()))
        if rng.random() < 0.5:
            word, opposite = opposite, word
        patterns = (
            "What is the opposite of {w}?",
            "What's the opposite of {w}?",
            "<Tell me|Name|Give me> the opposite of {w}<.|>",
            "Opposite of {w}<?|>",
        )
        if unseen:
            patterns = ("Which word means the reverse of {w}?",)
        return phrase(rng, patterns, w=word), f"The opposite of {word} is {opposite}."
    questions, answer = rng.choice(_UNITS)
    return phrase(rng, questions), answer
