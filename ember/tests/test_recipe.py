"""What must hold of the training text. Standard library only: `python3 -m unittest discover tests`."""

from __future__ import annotations

import json
import random
import re
import sys
import unittest
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from recipe import mix, words
from recipe.phrasing import expand
from recipe.skills import copying, long, numbers, objects, server, talk, tools
from recipe.template import prompt_of, render

ROWS = 6_000
SKILLS = [skill for skill, _ in mix.CHAT]


def row_texts(seed: int, count: int) -> list[str]:
    return ["".join(piece.text for piece in render(one)) for one in islice(mix.stream(seed), count)]


class Text(unittest.TestCase):
    def test_the_same_seed_gives_the_same_rows(self) -> None:
        self.assertEqual(row_texts(5, 300), row_texts(5, 300))
        self.assertNotEqual(row_texts(5, 300), row_texts(6, 300))

    def test_unseen_names_stand_in_no_training_row(self) -> None:
        text = "\n".join(row_texts(1, ROWS))
        found = [name for name in words.NAMES.unseen if re.search(rf"\b{name}\b", text)]
        self.assertEqual(found, [])

    def test_no_choice_is_left_unexpanded(self) -> None:
        marks = re.compile(r"<[^<>\n]*\|[^<>\n]*>")
        specials = re.compile(r"<\|im_(start|end)\|>")
        for one in islice(mix.stream(2), ROWS):
            # Noise and copies may hold any sign.
            if one.skill in ("noise", "many turns", "copy", "names over turns", "no tool call"):
                continue
            text = specials.sub("", "".join(piece.text for piece in render(one)))
            self.assertIsNone(marks.search(text), text)

    def test_every_row_ends_with_a_trained_answer_that_is_not_empty(self) -> None:
        for one in islice(mix.stream(3), ROWS):
            answer = render(one)[-2]
            self.assertTrue(answer.trained)
            self.assertGreater(len(answer.text), len("<|im_end|>"), one)

    def test_user_text_is_never_trained(self) -> None:
        for one in islice(mix.stream(4), ROWS):
            for piece in render(one):
                self.assertEqual(piece.trained, piece.text.endswith("<|im_end|>") and "<|im_start|>" not in piece.text)


class Skills(unittest.TestCase):
    def test_written_sums_are_right_and_within_the_table(self) -> None:
        rng = random.Random(1)
        for _ in range(3_000):
            a, sign, b, c = numbers.draw_sum(rng)
            self.assertEqual(c, {"+": a + b, "-": a - b, "*": a * b}[sign])
            self.assertGreaterEqual(c, 0)
            self.assertLessEqual(max(a, b), 20)

    def test_a_copy_is_in_the_prompt(self) -> None:
        rng = random.Random(2)
        for unseen in (False, True):
            for _ in range(1_000):
                one = copying.copy(rng, unseen)
                self.assertIn(one.expected.text, one.turns[0].text)

    def test_a_needle_is_once_in_the_prompt_and_the_answer_follows_from_it(self) -> None:
        rng = random.Random(3)
        for _ in range(50):
            one = long.needle(rng, 600)
            value = one.expected.text.rstrip(".").split(" ")[-1]
            self.assertIn(value, one.turns[0].text)

    def test_json_answers_parse_and_the_values_are_in_the_prompt(self) -> None:
        rng = random.Random(4)
        for unseen in (False, True):
            for _ in range(1_000):
                one = objects.json_person(rng, unseen)
                value = json.loads(one.expected.text)
                self.assertIn(value["name"], one.turns[0].text)
                self.assertIn(str(value["age"]), one.turns[0].text)

    def test_forced_json_masks_the_names_of_keys_only(self) -> None:
        rng = random.Random(5)
        for _ in range(1_000):
            answer = objects.forced_json(rng).expected
            json.loads(answer.text)
            first, *others = answer.given
            self.assertEqual(first[0], 0)
            for start, end in others:
                self.assertEqual(answer.text[start - 1], '"')
                self.assertEqual(answer.text[end : end + 2], '":')

    def test_tool_calls_fit_their_definitions(self) -> None:
        rng = random.Random(6)
        for unseen in (False, True):
            for _ in range(1_000):
                one = tools.tool_call(rng, unseen)
                offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in one.tools}
                self.assertEqual(len(offered), len(one.tools), "every name once")
                for call in one.expected.tool_calls:
                    parameters = offered[call["name"]]
                    self.assertEqual(set(call["arguments"]), set(parameters["properties"]))
                    self.assertEqual(parameters["required"], list(parameters["properties"]))

    def test_every_skill_asks_something_and_knows_an_unseen_form(self) -> None:
        rng = random.Random(7)
        for skill in SKILLS:
            for unseen in (False, True):
                for _ in range(100):
                    self.assertTrue(prompt_of(skill(rng, unseen)).strip(), skill)

    def test_server_help_names_what_the_facts_know_only(self) -> None:
        with self.assertRaises(ValueError):
            server._command("fly")
        with self.assertRaises(ValueError):
            server._parameter("luck")

    def test_off_topic_says_how_to_get_a_real_model(self) -> None:
        self.assertIn("hearth pull", talk.OFF_TOPIC)


class Words(unittest.TestCase):
    def test_made_up_words_are_none_that_are_kept_from_training(self) -> None:
        pools = [one for one in vars(words).values() if isinstance(one, words.Pool)]
        unseen = {word.lower() for one in pools for word in one.unseen}
        rng = random.Random(8)
        drawn = {words.made_up_word(rng) for _ in range(50_000)}
        self.assertEqual(drawn & unseen, set())

    def test_a_share_of_the_names_is_made_up_and_none_comes_twice_in_a_sample(self) -> None:
        rng = random.Random(9)
        names = [words.NAMES.draw(rng) for _ in range(4_000)]
        made_up = sum(name not in words.NAMES.seen for name in names) / len(names)
        self.assertAlmostEqual(made_up, words.NAMES.made_up, delta=0.05)
        self.assertTrue(all(name[0].isupper() for name in names))
        for _ in range(500):
            sample = words.NAMES.sample(rng, 5)
            self.assertEqual(len(set(sample)), 5)
        self.assertTrue(all(words.NAMES.draw(rng, unseen=True) in words.NAMES.unseen for _ in range(50)))


class Phrasing(unittest.TestCase):
    def test_choices_nest_and_may_be_empty(self) -> None:
        drawn = {expand(random.Random(seed), "a<|<b|c>d>") for seed in range(50)}
        self.assertEqual(drawn, {"a", "abd", "acd"})


if __name__ == "__main__":
    unittest.main()
