"""Calling tools: which one, with which arguments, and what to say when the result is there."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import words
from ..conversation import Conversation, Turn
from ..phrasing import add_noise, phrase
from ..template import to_json

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Tool:
    """`draw` gives the arguments; the wordings may use them as fields."""

    name: str
    description: str
    parameters: dict[str, dict[str, Any]]
    draw: Callable[[random.Random, bool], Arguments]
    wordings: tuple[str, ...]
    unseen_wording: str
    result: Callable[[random.Random, Arguments], Any]
    answer: Callable[[Arguments, Any], str]
    required: tuple[str, ...] | None = None

    def definition(self) -> dict[str, Any]:
        return definition(self.name, self.description, self.parameters, self.required)


def definition(
    name: str, description: str, parameters: dict[str, dict[str, Any]], required: tuple[str, ...] | None = None
) -> dict[str, Any]:
    function = {
        "name": name,
        "description": description,
        "parameters": {"type": "object", "properties": parameters, "required": list(required or parameters)},
    }
    return {"type": "function", "function": function}


_TEXT = {"type": "string"}
_WHOLE = {"type": "integer"}
_NUMBER = {"type": "number"}
_TRUTH = {"type": "boolean"}
_SKIES = ("sunny", "cloudy", "rainy", "windy", "foggy", "snowy")
_CURRENCIES = ("EUR", "USD", "GBP", "JPY", "CHF", "SEK")
_LANGUAGES = ("French", "German", "Spanish", "Italian", "Latin", "Dutch", "Polish")


def _clock(rng: random.Random) -> str:
    return f"{rng.randint(0, 23):02d}:{rng.choice((0, 5, 10, 15, 20, 30, 40, 45, 50)):02d}"


TOOLS = (
    Tool(
        "get_weather", "The weather in a city.", {"city": _TEXT},
        lambda rng, unseen: {"city": words.CITIES.draw(rng, unseen)},
        ("<What is|What's|How is> the weather <in|like in> {city}<| now| today>?", "<Is it|Will it be> <warm|cold|sunny|raining|rainy> in {city}<| today>?", "Weather in {city}<?|>", "<Tell me|Get> the weather <in|for> {city}<.|>", "Do I need a <coat|hat|umbrella> in {city}?", "<I fly|I go|I travel> to {city}<. How is the weather?|. Will it rain?| and want to know the weather.>", "<How many degrees|Which temperature> <are there|is it> in {city}<| now>?", "{city} weather<| please>", "<Is the sun shining|Does it rain> in {city}<| now| at present>?"),
        "How warm is it at the moment in {city}?",
        lambda rng, a: {"temperature": rng.randint(-9, 38), "sky": rng.choice(_SKIES)},
        lambda a, r: f"It is {r['temperature']} degrees and {r['sky']} in {a['city']}.",
    ),
    Tool(
        "get_time", "The local time in a city.", {"city": _TEXT},
        lambda rng, unseen: {"city": words.CITIES.draw(rng, unseen)},
        ("What time is it in {city}<| now>?", "<Tell me|Get|What is> the <local |current |>time in {city}<.|?>", "How late is it in {city}?", "Time in {city}<?|>", "<I call somebody|My friend lives> in {city}<. What time is it there?|. How late is it?>", "{city} time<| please>", "<Do you know|Can you tell me> the <hour|time> in {city}<| now>?", "<What|Which> <hour|time> <is it|do they have> in {city}?"),
        "Which hour do the clocks in {city} show?",
        lambda rng, a: {"time": _clock(rng)},
        lambda a, r: f"It is {r['time']} in {a['city']}.",
    ),
    Tool(
        "add", "Adds two numbers.", {"a": _WHOLE, "b": _WHOLE},
        lambda rng, unseen: {"a": rng.randint(0, 9999), "b": rng.randint(0, 9999)},
        ("What is {a} <+|plus> {b}?", "<Add|Sum> {a} and {b}<.|>", "<Calculate|Compute> {a} + {b}<.|>", "How much is {a} + {b}?", "<What is the|Give me the|I need the> sum of {a} and {b}<?|.>", "{a} + {b}<| =| = ?>", "<Put|Take> {a} and {b} together<.|>"),
        "Please total {a} and {b}.",
        lambda rng, a: a["a"] + a["b"],
        lambda a, r: f"{a['a']} + {a['b']} = {r}",
    ),
    Tool(
        "multiply", "Multiplies two numbers.", {"a": _WHOLE, "b": _WHOLE},
        lambda rng, unseen: {"a": rng.randint(0, 999), "b": rng.randint(0, 999)},
        ("What is {a} <*|times> {b}?", "Multiply {a} <and|by|with> {b}<.|>", "<Calculate|Compute> {a} * {b}<.|>", "How much is {a} times {b}?", "<What is|Give me|I need> {a} multiplied by {b}<?|.>", "{a} * {b}<| =| = ?>", "<What comes out of|Work out> {a} times {b}<?|.>"),
        "The product of {a} and {b}, please.",
        lambda rng, a: a["a"] * a["b"],
        lambda a, r: f"{a['a']} * {a['b']} = {r}",
    ),
    Tool(
        "send_email", "Sends an email.", {"to": _TEXT, "subject": _TEXT},
        lambda rng, unseen: {"to": words.email(rng, unseen), "subject": words.sentence(rng, unseen)},
        ("<Send|Write> an email to {to} with <the |>subject \"{subject}\"<.|>", "Email {to}<:| about:> {subject}", "Send {to} a mail with the subject \"{subject}\".", "<Mail|Message|Write to> {to} <that|with>: {subject}", "<I want to|Can you|Please> <email|write to> {to}<:| about> \"{subject}\"<.|>", "New <mail|email> to {to}, subject {subject}"),
        "{to} should get a mail titled \"{subject}\".",
        lambda rng, a: {"sent": True},
        lambda a, r: f"The email to {a['to']} was sent.",
    ),
    Tool(
        "set_timer", "Starts a timer.", {"minutes": _WHOLE},
        lambda rng, unseen: {"minutes": rng.randint(1, 120)},
        ("<Set|Start> a timer <for|of> {minutes} minutes<.|>", "<Remind me|Wake me|Call me> in {minutes} minutes<.|>", "Timer <for |>{minutes} minutes", "Set a {minutes} minute timer<.|>", "<Tell me|Ring|Beep> <after|in> {minutes} minutes<.|>", "<I need|Give me> {minutes} minutes on the <clock|timer><.|>", "Count {minutes} minutes<.|>"),
        "Let me know when {minutes} minutes are over.",
        lambda rng, a: {"ok": True},
        lambda a, r: f"The timer is set to {a['minutes']} minutes.",
    ),
    Tool(
        "search", "Searches the web.", {"query": _TEXT},
        lambda rng, unseen: {"query": " ".join(words.WORDS.sample(rng, rng.randint(1, 3), unseen))},
        ("<Search|Search the web|Look> for {query}<.|>", "<Find|Look up|Search|Google> {query}<.|>", "What does the web say about {query}?", "Search \"{query}\"<.|>", "<What can you find|Is there anything> <about|on> {query}<?|>", "<I want|I need> <web pages|results|information> <about|on|for> {query}<.|>", "Web search: {query}"),
        "Find pages on {query}.",
        lambda rng, a: {"results": [{"title": words.sentence(rng)}]},
        lambda a, r: f"I found: {r['results'][0]['title']}.",
    ),
    Tool(
        "translate", "Translates text.", {"text": _TEXT, "language": _TEXT},
        lambda rng, unseen: {"text": words.sentence(rng, unseen), "language": rng.choice(_LANGUAGES)},
        ("Translate \"{text}\" <to|into> {language}<.|>", "Say \"{text}\" in {language}<.|>", "How do you say \"{text}\" in {language}?", "What is \"{text}\" in {language}?", "<I need|I want> \"{text}\" in {language}<.|>", "{language} for \"{text}\"<?|, please>", "<Put|Turn|Bring> \"{text}\" into {language}<.|>"),
        "Give me the {language} for \"{text}\".",
        lambda rng, a: {"translation": " ".join(words.made_up_word(rng) for _ in range(rng.randint(1, 4)))},
        lambda a, r: f"In {a['language']}: {r['translation']}",
    ),
    Tool(
        "convert_currency", "Converts money.", {"amount": _NUMBER, "from": _TEXT, "to": _TEXT},
        lambda rng, unseen: dict(zip(("amount", "from", "to"), (rng.randint(1, 999), *rng.sample(_CURRENCIES, 2)), strict=True)),
        ("<Convert|Change> {amount} {from} <to|into> {to}<.|>", "How much is {amount} {from} in {to}?", "{amount} {from} in {to}<?|>", "What are {amount} {from} in {to}?", "<Exchange|Turn> {amount} {from} <to|into|for> {to}<.|>", "<How many|What number of> {to} <are|do I get for> {amount} {from}?", "I <have|pay|own> {amount} {from}. <What is that|How much is it> in {to}?"),
        "I have {amount} {from} and want {to}. How much do I get?",
        lambda rng, a: {"amount": rng.randint(1, 9999)},
        lambda a, r: f"{a['amount']} {a['from']} are {r['amount']} {a['to']}.",
    ),
    Tool(
        "create_event", "Adds an event to the calendar.", {"title": _TEXT, "day": _TEXT, "time": _TEXT},
        lambda rng, unseen: {"title": " ".join(words.WORDS.sample(rng, rng.randint(1, 2), unseen)), "day": rng.choice(words.DAYS), "time": _clock(rng)},
        ("<Add|Create|Make> an event \"{title}\" on {day} at {time}<.|>", "<Put|Enter> {title} into my calendar on {day} at {time}<.|>", "Schedule {title} for {day} at {time}<.|>", "{title} on {day} at {time}, please<.|>", "On {day} at {time} <is|comes|we have> {title}<. Note it.| for my calendar.|.>", "<Plan|Note|Book|Save> {title}<,| for| on> {day}<,| at> {time}<.|>", "<Remember|New event:> {title}, {day}, {time}"),
        "Reserve {day} at {time} for {title}.",
        lambda rng, a: {"ok": True},
        lambda a, r: f"{a['title']} is in your calendar on {a['day']} at {a['time']}.",
    ),
    Tool(
        "play_song", "Plays a song.", {"title": _TEXT},
        lambda rng, unseen: {"title": " ".join(words.WORDS.sample(rng, rng.randint(1, 3), unseen))},
        ("Play <the song |>{title}<.|>", "<I want to hear|Let me hear|Put on> {title}<.|>", "Play \"{title}\"<.|>", "<Music|Song>: {title}", "<Can I|May I|I would like to> <hear|listen to> {title}<?|>", "<Let us|Let's> hear {title}<.|>"),
        "Start the music: {title}.",
        lambda rng, a: {"playing": True},
        lambda a, r: f"Now playing: {a['title']}",
    ),
    Tool(
        "set_light", "Switches the light in a room.", {"room": _TEXT, "on": _TRUTH},
        lambda rng, unseen: {"room": words.PLACES.draw(rng, unseen), "on": rng.random() < 0.5},
        ("<Turn|Switch> {switch} the light in the {room}<.|>", "<Turn|Switch> the light in the {room} {switch}<.|>", "Light {switch} in the {room}<.|>", "Turn {switch} the {room} light<.|>", "<Make|I want> the light in the {room} {switch}<.|>", "The {room} <light|lamp>: {switch}", "<Please |>{switch} with the light in the {room}<.|>", "The light in the {room} <must be|shall be|goes> {switch}<.|>"),
        "The lamp in the {room} should be {switch}.",
        lambda rng, a: {"ok": True},
        lambda a, r: f"The light in the {a['room']} is {'on' if a['on'] else 'off'}.",
    ),
    Tool(
        "get_price", "The price of a product.", {"product": _TEXT},
        lambda rng, unseen: {"product": words.THINGS.draw(rng, unseen)},
        ("<What does|How much does> the {product} cost?", "<What is|Tell me|Get> the price of the {product}<?|.>", "How <much|expensive> is the {product}?", "Price of a {product}?", "<I want to buy|I need> a {product}. <How much is it|What does it cost>?", "<What do you want|What do they ask|What must I pay> for <a|the> {product}?", "{product} price<| please>"),
        "For how much is the {product} sold?",
        lambda rng, a: {"price": rng.randint(1, 999), "currency": rng.choice(_CURRENCIES)},
        lambda a, r: f"The {a['product']} costs {r['price']} {r['currency']}.",
    ),
    Tool(
        "book_table", "Books a table in a restaurant.", {"name": _TEXT, "people": _WHOLE, "time": _TEXT},
        lambda rng, unseen: {"name": words.NAMES.draw(rng, unseen), "people": rng.randint(1, 12), "time": _clock(rng)},
        ("<Book|Reserve> a table for {people} <people |>at {time} <for|under the name|in the name of> {name}<.|>", "A table for {people} at {time}, name {name}<.|>", "{name} wants a table for {people} at {time}<.|>", "<We are|There are> {people} <people |>and <want to eat|need a table> at {time}<, name|. The name is> {name}<.|>", "Table: {people}, {time}, {name}", "<Hold|Keep|Get> a table at {time} for {people}<, under|, for|, name> {name}<.|>"),
        "We are {people} and come at {time}; the booking is on {name}.",
        lambda rng, a: {"booked": True},
        lambda a, r: f"A table for {a['people']} at {a['time']} is booked for {a['name']}.",
    ),
    Tool(
        "roll_dice", "Rolls a die.", {"sides": _WHOLE},
        lambda rng, unseen: {"sides": rng.choice((4, 6, 8, 10, 12, 20, 100))},
        ("Roll a <die|dice> with {sides} sides<.|>", "Roll a {sides} sided die<.|>", "Throw a d{sides}<.|>", "<Give me|I want|I need> a <roll|throw> of a d{sides}<.|>", "<A die|Dice>, {sides} sides<, please|><.|>", "Let a {sides} sided die <roll|fall><.|>"),
        "I need a throw of a die that has {sides} sides.",
        lambda rng, a: {"rolled": rng.randint(1, a["sides"])},
        lambda a, r: f"You rolled {r['rolled']}.",
    ),
    Tool(
        "read_file", "Reads a file.", {"path": _TEXT},
        lambda rng, unseen: {"path": f"{words.WORDS.draw(rng, unseen)}/{words.WORDS.draw(rng, unseen)}.{rng.choice(('txt', 'md', 'json', 'py', 'csv'))}"},
        ("<Read|Open|Show|Show me> <the file |>{path}<.|>", "What <is in|does the file say:> {path}?", "<Print|Cat|Give me> {path}<.|>", "<Let me see|I want to read> {path}<.|>", "<Contents|Text> of {path}<?|>", "<Look into|Load|View> <the file |>{path}<.|>"),
        "I want to see the contents of {path}.",
        lambda rng, a: {"content": words.sentence(rng)},
        lambda a, r: f"{a['path']} says: {r['content']}",
    ),
    Tool(
        "find_contact", "Finds a person's phone number.", {"name": _TEXT},
        lambda rng, unseen: {"name": words.person(rng, unseen)},
        ("<What is|Find|Look up|Get> the <phone |>number of {name}<.|?>", "How can I <call|reach|phone> {name}?", "Find {name} in my contacts<.|>", "Look up {name}<.|>", "<I want|I need> to <phone|ring|reach> {name}<.|>", "{name}'s <phone |>number<?|, please>", "<Do you have|Give me> the <phone |>number <of|for> {name}<?|>", "<Which|What> number does {name} have?"),
        "I would like to call {name}. Which number?",
        lambda rng, a: {"phone": f"{rng.randint(100, 999)}-{rng.randint(1000, 9999)}"},
        lambda a, r: f"The number of {a['name']} is {r['phone']}.",
    ),
    Tool(
        "order_pizza", "Orders a pizza.", {"size": _TEXT, "topping": _TEXT},
        lambda rng, unseen: {"size": rng.choice(("small", "medium", "large")), "topping": rng.choice(("cheese", "ham", "tuna", "olives", "mushrooms", "spinach", "salami"))},
        ("<Order|Get me|I want|Bring> a {size} pizza with {topping}<.|>", "A {size} pizza with {topping}, please<.|>", "One {size} {topping} pizza<.|>", "Pizza<:|,> {size}<,| with> {topping}<.|>", "<I am hungry|Lunch time>: a {size} pizza<,| with> {topping}<.|>", "<Make|Send> me a pizza with {topping}, {size}<.|>"),
        "Dinner: pizza, {size}, {topping} on top.",
        lambda rng, a: {"minutes": rng.randint(10, 60)},
        lambda a, r: f"Your {a['size']} pizza with {a['topping']} comes in {r['minutes']} minutes.",
    ),
)  # fmt: skip

_VERBS = "get set find make start stop open close check update delete create list move copy count show run read write".split()
_SYNTHETIC_TYPES = (_TEXT, _WHOLE, _TEXT, _WHOLE, _TRUTH)


def _synthetic(rng: random.Random, unseen: bool) -> tuple[dict[str, Any], str, Arguments, str]:
    """A tool that nobody has seen: definition, request, arguments and name."""
    noun = (words.THINGS if rng.random() < 0.7 else words.PLACES).draw(rng, unseen)
    verb = rng.choice(_VERBS)
    name = f"{verb}_{noun}" if rng.random() < 0.8 else verb + noun.capitalize()
    keys = rng.sample(
        (
            "id",
            "name",
            "count",
            "color",
            "size",
            "speed",
            "level",
            "label",
            "mode",
            "target",
            "value",
            "place",
            "user",
            "active",
        ),
        rng.randint(1, 3),
    )
    parameters: dict[str, dict[str, Any]] = {}
    arguments: Arguments = {}
    for key in keys:
        schema = rng.choice(_SYNTHETIC_TYPES)
        parameters[key] = schema
        if schema is _WHOLE:
            arguments[key] = rng.randint(0, 999)
        elif schema is _TRUTH:
            arguments[key] = rng.random() < 0.5
        else:
            kinds = (words.WORDS, words.COLORS, words.NAMES)
            arguments[key] = rng.choice(kinds).draw(rng, unseen) if rng.random() < 0.8 else words.code(rng)
    given = ", ".join(f"{key} {to_json(value).strip(chr(34))}" for key, value in arguments.items())
    patterns = (
        "<Please |>{verb} the {noun} with {given}<.|>",
        "{Verb} <the|a|my> {noun}: {given}",
        "<Call|Use|Run> {name} with {given}<.|>",
        "<I want to|Can you|Could you> {verb} the {noun} with {given}?",
        "<For|About> the {noun}: {verb} it with {given}<.|>",
        "{Verb} the {noun}<.|>\n{given}",
        "The {noun}<:|,> {verb} it<,|:> {given}<.|>",
        "<We should|You should|It is time to> {verb} the {noun}<, with|:| using> {given}<.|>",
        "{given}: {verb} the {noun} <so|with this|like that><.|>",
    )
    if unseen:
        patterns = ("The {noun} needs this: {verb} it, {given}.",)
    request = phrase(rng, patterns, verb=verb, Verb=verb.capitalize(), noun=noun, name=name, given=given)
    description = f"{verb.capitalize()}s the {noun}." if rng.random() < 0.8 else f"{verb.capitalize()} a {noun}."
    return definition(name, description, parameters), request, arguments, name


def _request(rng: random.Random, tool: Tool, unseen: bool) -> tuple[str, Arguments]:
    arguments = tool.draw(rng, unseen)
    fields = dict(arguments)
    if "on" in fields:
        fields["switch"] = "on" if fields["on"] else "off"
    question = phrase(rng, (tool.unseen_wording,) if unseen else tool.wordings, **fields)
    question = question[:1].upper() + question[1:] if question[:1].islower() and rng.random() < 0.5 else question
    keep = " ".join(str(value) for value in arguments.values()).split()
    return question if unseen else add_noise(rng, question, keep=keep), arguments


def _offer(rng: random.Random, chosen: list[dict[str, Any]], others: int) -> tuple[dict[str, Any], ...]:
    """The chosen tools among others, in any order."""
    names = {one["function"]["name"] for one in chosen}
    offered = list(chosen)
    for _ in range(others):
        one = rng.choice(TOOLS).definition() if rng.random() < 0.8 else _synthetic(rng, False)[0]
        if one["function"]["name"] not in names:
            names.add(one["function"]["name"])
            offered.append(one)
    rng.shuffle(offered)
    return tuple(offered)


def _others(rng: random.Random) -> int:
    return rng.choice((0, 0, 1, 1, 2, 3))


def _call(name: str, arguments: Arguments) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def tool_call(rng: random.Random, unseen: bool = False) -> Conversation:
    kind = rng.random()
    if kind < 0.3:
        made, question, arguments, name = _synthetic(rng, unseen)
        offered = _offer(rng, [made], _others(rng))
        return Conversation(
            "tool call", (Turn("user", question), Turn("assistant", tool_calls=(_call(name, arguments),))), offered
        )
    if kind < 0.36 and not unseen:
        return _two_calls(rng)
    tool = rng.choice(TOOLS)
    question, arguments = _request(rng, tool, unseen)
    turns = (Turn("user", question), Turn("assistant", tool_calls=(_call(tool.name, arguments),)))
    return Conversation("tool call", turns, _offer(rng, [tool.definition()], _others(rng)))


def _two_calls(rng: random.Random) -> Conversation:
    """The same tool for two cities, in one turn."""
    tool = TOOLS[rng.randrange(2)]
    first, second = words.CITIES.sample(rng, 2)
    what = "weather" if tool.name == "get_weather" else "time"
    question = phrase(
        rng,
        ("What is the {what} in {a} and <in |>{b}?", "<Tell me|Get> the {what} in {a} and {b}.", "{what} in {a} and {b}?"),
        what=what, a=first, b=second,
    )  # fmt: skip
    calls = (_call(tool.name, {"city": first}), _call(tool.name, {"city": second}))
    turns = (Turn("user", question[:1].upper() + question[1:]), Turn("assistant", tool_calls=calls))
    return Conversation("two tool calls", turns, _offer(rng, [tool.definition()], _others(rng)))


def tool_result(rng: random.Random, unseen: bool = False) -> Conversation:
    tool = rng.choice(TOOLS)
    question, arguments = _request(rng, tool, unseen)
    result = tool.result(rng, arguments)
    turns = (
        Turn("user", question),
        Turn("assistant", tool_calls=(_call(tool.name, arguments),)),
        Turn("tool", result if isinstance(result, str) else to_json(result)),
        Turn("assistant", tool.answer(arguments, result)),
    )
    return Conversation("tool result", turns, _offer(rng, [tool.definition()], rng.choice((0, 0, 1, 2))))


def no_call(rng: random.Random, plain: Conversation) -> Conversation:
    """Tools are there, and the question needs none of them."""
    return Conversation("no tool call", plain.turns, _offer(rng, [], rng.choice((1, 1, 2, 3))))


def tool_chain(rng: random.Random, length: int) -> Conversation:
    """Several calls with their results, one after the other."""
    tools = rng.sample(TOOLS, 4)
    turns: list[Turn] = []
    for _ in range(length):
        tool = rng.choice(tools)
        question, arguments = _request(rng, tool, False)
        result = tool.result(rng, arguments)
        turns += [
            Turn("user", question),
            Turn("assistant", tool_calls=(_call(tool.name, arguments),)),
            Turn("tool", to_json(result)),
            Turn("assistant", tool.answer(arguments, result)),
        ]
    return Conversation("tool chain", tuple(turns), tuple(tool.definition() for tool in tools))
