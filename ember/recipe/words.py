"""The words that conversations are made of. Every tenth of a pool is unseen: kept from training.

Pools are open: a share of their training draws are made up, since a hundred names would be learnt as
tokens and no other name could then be copied. Written for this file; nothing is taken from a corpus.
Capitals are general knowledge.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")


_ONSETS = (
    *"b c d f g h j k l m n p r s t v w y z".split(),
    *"b d g h k l m n p r s t bl br ch cl cr dr fl fr gl gr kl kr ph pl pr qu sh sk sl sm sn sp st str sw th tr tw wh".split(),
    "",
)
_VOWELS = (*"a e i o u a e i o u a e i o u".split(), *"y ai au ea ee ie io oa oo ou ia".split())
_CODAS = (
    *"n r s l t m d".split(),
    *"ck nd nt rt st ng sh ll ss rd ld x p g b k th z ph".split(),
    "",
    "",
    "",
    "",
    "",
    "",
    "",
)
# Lower case; made-up words avoid them.
_UNSEEN: set[str] = set()


def made_up_word(rng: random.Random) -> str:
    """One to three syllables, such as `krelo`; never one of the unseen words."""
    while True:
        syllables = rng.choice((1, 2, 2, 2, 3))
        word = "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(syllables)) + rng.choice(_CODAS)
        if len(word) > 2 and word not in _UNSEEN:
            return word


@dataclass(frozen=True)
class Pool:
    """Words to draw from; `unseen` ones never stand in training text, `made_up` is a share of the draws."""

    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    made_up: float = 0.0

    def draw(self, rng: random.Random, unseen: bool = False) -> str:
        if unseen:
            return rng.choice(self.unseen)
        return self._make_up(rng) if rng.random() < self.made_up else rng.choice(self.seen)

    def sample(self, rng: random.Random, count: int, unseen: bool = False) -> list[str]:
        """`count` different words, or all there are."""
        words = self.unseen if unseen else self.seen
        sampled = rng.sample(words, min(count, len(words)))
        if unseen:
            return sampled
        for index in range(len(sampled)):
            if rng.random() < self.made_up and (word := self._make_up(rng)) not in sampled:
                sampled[index] = word
        return sampled

    def _make_up(self, rng: random.Random) -> str:
        word = made_up_word(rng)
        return word.capitalize() if self.seen[0][0].isupper() else word


def pool(words: str, made_up: float = 0.0) -> Pool:
    all_words = tuple(dict.fromkeys(words.split()))
    unseen = tuple(word for index, word in enumerate(all_words) if index % 10 == 7)
    _UNSEEN.update(word.lower() for word in unseen)
    return Pool(tuple(word for index, word in enumerate(all_words) if index % 10 != 7), unseen, made_up)


def split(items: Sequence[Item]) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    seen = tuple(item for index, item in enumerate(items) if index % 10 != 7)
    unseen = tuple(item for index, item in enumerate(items) if index % 10 == 7)
    return seen, unseen


NAMES = pool(
    """Alice Bob Carol David Emma Frank Grace Henry Iris Jack Kate Leo Mia Noah Olivia Paul Quinn Rosa Sam Tina
    Uma Victor Wendy Xavier Yara Zoe Adam Bella Carlos Diana Erik Fatima George Hannah Ivan Julia Karl Laura Marco
    Nina Oscar Petra Ravi Sara Tom Ursula Vera Walter Yusuf Zara Anna Ben Clara Dan Eva Felix Gina Hugo Ida Jonas
    Kim Lily Max Nora Otto Pia Rita Simon Tara Ulf Vincent Willa Yuki Zach Aisha Bruno Chloe Dora Eli Freya Gus
    Helen Igor Jana Kofi Luna Mateo Nadia Omar Priya Ruben Sofia Theo Viola Wes Amir Brigid Cyrus Delia Edgar Flora
    Gabriel Heidi Imani Jasper Klara Lucas Maya Nico Opal Pedro Rhea Stefan Thea Umberto Vanya Wanda Abel Bianca
    Cora Dmitri Elsa Finn Greta Hana Isaac Joy Kenji Lena Milo Naomi Orla Philip Rachel Silas Tess Val Zed Dana
    Alan Beth Chris Donna Ellen Fred Gary Holly Irene James Karen Linda Mark Nancy Peter Robert Susan Tim Mary John""",
    made_up=0.35,
)

CITIES = pool(
    """Paris London Berlin Madrid Rome Vienna Oslo Dublin Lisbon Prague Athens Warsaw Budapest Helsinki Copenhagen
    Stockholm Brussels Amsterdam Tokyo Seoul Beijing Delhi Cairo Nairobi Lima Quito Bogota Havana Ottawa Boston
    Chicago Denver Seattle Miami Houston Dallas Munich Hamburg Milan Naples Lyon Porto Seville Geneva Zurich Basel
    Osaka Kyoto Mumbai Sydney Perth Auckland Toronto Montreal Vancouver Austin Phoenix Detroit Leeds Bristol""",
    made_up=0.3,
)

FAMILY = pool(
    """Smith Jones Brown Miller Davis Wilson Moore Taylor Clark Lewis Walker Young Hill Green Adams Baker Nelson
    Carter Turner Parker Evans Collins Stewart Morris Rogers Reed Cook Bell Ward Gray Fischer Weber Keller Novak
    Rossi Costa Silva Santos Mendez Park Chen Singh Khan Sato Berg Lund Dahl Moreau Dubois Laurent""",
    made_up=0.35,
)

ANIMALS = pool(
    """cat dog horse cow pig sheep goat duck hen fox wolf bear lion tiger mouse rabbit frog owl eagle crow swan deer
    whale shark seal snake turtle monkey zebra camel donkey parrot spider bee ant moth otter badger beaver falcon""",
    made_up=0.15,
)

COLORS = pool(
    "red blue green yellow orange purple black white brown gray pink gold silver violet teal beige cyan", made_up=0.1
)

FRUITS = pool(
    """apple pear banana cherry plum grape lemon lime mango peach melon fig kiwi papaya apricot berry coconut date
    guava olive orange quince""",
    made_up=0.15,
)

THINGS = pool(
    """table chair lamp book pen cup plate spoon fork knife box bag coat hat shoe key door window clock phone desk
    bed mirror bottle glass basket bucket ladder hammer nail rope wheel bicycle car boat train kite ball drum flute
    piano guitar candle carpet pillow blanket towel brush comb soap needle thread button ring crown coin stamp
    letter map flag tent stove kettle pan pot tray shelf drawer fence gate bridge tower garden wagon sled anchor""",
    made_up=0.2,
)

PLURALS = pool(
    """apples pears plums eggs books pens cups coins stamps marbles cookies cards balls shells stones flowers
    candles buttons keys letters oranges lemons pencils stickers tickets bottles boxes hats socks toys""",
    made_up=0.15,
)

ADJECTIVES = pool(
    """small big old new red blue green quiet loud happy sad bright dark warm cold fast slow heavy light clean
    dirty soft hard sweet sour round flat tall short wide narrow empty full young brave calm clever gentle lazy
    proud shy silly strange tired wise busy dry wet rough smooth rich poor early late""",
    made_up=0.1,
)

VERBS = pool(
    """sleeps runs jumps sings waits stands falls shines turns moves stops rests hides grows floats rolls swims
    walks dances laughs dreams listens returns landed arrived vanished remained appears breaks opens"""
)

PLACES = pool(
    """house garden kitchen river bridge forest hill market station school library harbor island valley village
    castle tower field lake road park shop museum theater bakery barn cellar attic meadow desert beach""",
    made_up=0.2,
)

PREPOSITIONS = pool("in near behind under above beside at across beyond past inside outside by over")

WORDS = pool(
    """acorn amber anchor arrow autumn bamboo banner beacon blossom breeze candle canyon cedar clover comet copper
    coral cotton crystal dawn delta desert dragon dream ember engine feather fern fire flame forest fossil galaxy
    ginger glacier granite harbor harvest hazel honey horizon ice indigo iron island ivory jasmine jungle lagoon
    lantern lava lemon lily lotus magnet maple marble meadow melody mirror mist moon moss mountain nectar nickel
    night north oak ocean olive onyx opal orbit orchid pebble pepper pine planet plum pong ping pong prairie quartz
    rain raven ribbon ridge river robin rocket ruby saffron sail salt sand saturn shadow silk silver sky slate snow
    spark spice spring star stone storm summer sun thunder tiger timber topaz trail tulip tundra valley velvet
    violet walnut water wave willow wind winter wonder yarrow zephyr zinc hello world test banana pilot rocket
    signal tango victor whiskey sierra""",
    made_up=0.2,
)

ENGLISH = pool(
    """the and that have for not with you this but from they say her she will one all would there their what out
    about who get which when make can like time just him know take people into year your good some could them see
    other than then now look only come its over think also back after use two how our work first well way even new
    want because any these give day most us"""
)

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
NUMBER_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)

CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid", "Portugal": "Lisbon",
    "Austria": "Vienna", "Switzerland": "Bern", "Belgium": "Brussels", "the Netherlands": "Amsterdam",
    "Denmark": "Copenhagen", "Norway": "Oslo", "Sweden": "Stockholm", "Finland": "Helsinki", "Ireland": "Dublin",
    "England": "London", "Scotland": "Edinburgh", "Wales": "Cardiff", "Poland": "Warsaw", "Hungary": "Budapest",
    "Greece": "Athens", "Turkey": "Ankara", "Russia": "Moscow", "Ukraine": "Kyiv", "Romania": "Bucharest",
    "Bulgaria": "Sofia", "Serbia": "Belgrade", "Croatia": "Zagreb", "Slovenia": "Ljubljana",
    "Slovakia": "Bratislava", "Czechia": "Prague", "Estonia": "Tallinn", "Latvia": "Riga", "Lithuania": "Vilnius",
    "Iceland": "Reykjavik", "Malta": "Valletta", "Albania": "Tirana", "Japan": "Tokyo", "China": "Beijing",
    "South Korea": "Seoul", "India": "New Delhi", "Thailand": "Bangkok", "Vietnam": "Hanoi",
    "Indonesia": "Jakarta", "the Philippines": "Manila", "Nepal": "Kathmandu", "Pakistan": "Islamabad",
    "Iran": "Tehran", "Iraq": "Baghdad", "Egypt": "Cairo", "Morocco": "Rabat", "Algeria": "Algiers",
    "Tunisia": "Tunis", "Kenya": "Nairobi", "Ethiopia": "Addis Ababa", "Ghana": "Accra", "Senegal": "Dakar",
    "Cuba": "Havana", "Mexico": "Mexico City", "Canada": "Ottawa", "the United States": "Washington",
    "Brazil": "Brasilia", "Argentina": "Buenos Aires", "Chile": "Santiago", "Peru": "Lima", "Colombia": "Bogota",
    "Ecuador": "Quito", "Uruguay": "Montevideo", "Venezuela": "Caracas", "Australia": "Canberra",
    "New Zealand": "Wellington",
}  # fmt: skip

_CODE_SIGNS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"


def code(rng: random.Random) -> str:
    """Such as `K7Q-204`, `XR4418`, `48213`."""
    kind = rng.randrange(4)
    if kind == 0:
        return "".join(rng.choice("0123456789") for _ in range(rng.randint(3, 7)))
    signs = "".join(rng.choice(_CODE_SIGNS) for _ in range(rng.randint(4, 8)))
    if kind == 1 and len(signs) > 4:
        return f"{signs[:3]}-{signs[3:]}"
    return signs.lower() if kind == 2 else signs


def email(rng: random.Random, unseen: bool = False) -> str:
    user = NAMES.draw(rng, unseen).lower()
    form = rng.choice(("{user}", "{user}{n}", "{user}.{family}", "{user}_{n}"))
    family = FAMILY.draw(rng, unseen).lower()
    local = form.format(user=user, n=rng.randint(1, 99), family=family)
    return f"{local}@{rng.choice(('example', 'mail', 'post', 'hearth', WORDS.draw(rng, unseen)))}.{rng.choice(('com', 'org', 'net', 'io'))}"


def person(rng: random.Random, unseen: bool = False) -> str:
    name = NAMES.draw(rng, unseen)
    return f"{name} {FAMILY.draw(rng, unseen)}" if rng.random() < 0.25 else name


def sentence(rng: random.Random, unseen: bool = False) -> str:
    """A plain sentence without its full stop, such as `The old lamp shines near the river`."""
    kind = rng.randrange(6)
    noun = (THINGS if rng.random() < 0.6 else ANIMALS).draw(rng, unseen)
    adjective, verb, place = ADJECTIVES.draw(rng, unseen), VERBS.draw(rng, unseen), PLACES.draw(rng, unseen)
    preposition = PREPOSITIONS.draw(rng, unseen)
    if kind == 0:
        return f"The {noun} has {verb}" if verb.endswith("ed") else f"The {noun} {verb}"
    if kind == 1:
        return f"The {adjective} {noun} {verb} {preposition} the {place}"
    if kind == 2:
        return f"{NAMES.draw(rng, unseen)} {verb} {preposition} the {adjective} {place}"
    if kind == 3:
        return f"This is {rng.choice(('a', 'the', 'my', 'your'))} {adjective} {noun}"
    if kind == 4:
        return f"{NAMES.draw(rng, unseen)} and {NAMES.draw(rng, unseen)} like the {COLORS.draw(rng, unseen)} {noun}"
    count = rng.randint(3, 7)
    return " ".join(ENGLISH.draw(rng, unseen) for _ in range(count)).capitalize()
