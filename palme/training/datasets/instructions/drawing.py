"""Examples for training: a category, a rule of it, a sentence, and what people do to sentences."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from palme.language.programs.parser import BadProgram, parse
from palme.training.datasets.instructions.chatter import Chatter
from palme.training.datasets.instructions.contrasts import contrast
from palme.training.datasets.instructions.grammar import Example, Grammar
from palme.training.datasets.instructions.haste import Haste
from palme.training.datasets.instructions.held_out import held_out, key
from palme.training.datasets.instructions.language import Language, languages
from palme.training.datasets.instructions.sensible import is_sensible
from palme.training.datasets.instructions.slips import Slips

MAX_LETTERS = 240
FOLDER = Path(__file__).parent
CATEGORIES: Mapping[str, float] = {
    "plain_put": 7, "put_one": 9, "put_into_it": 2, "put_many": 8, "move_by": 5, "stack_two": 1.5,
    "stack_three": 3, "stack_four": 1, "stack_many": 2.5, "row_of": 4, "column_of": 1, "shape_of": 1,
    "together": 1.3, "swap_of": 3, "emptied": 2.5, "taken_out": 2.5, "cleared": 3, "matched": 2.5,
    "shared": 1, "kept": 2, "kept_and_done": 3, "instead": 3, "count_of": 2.5, "compared": 2,
    "exists_of": 4, "colour_of": 2, "what_is": 3, "where_is": 2, "possible_of": 1.5, "sequence_of": 6,
    "pronoun_of": 5, "corrected": 5, "if_of": 6, "absent": 7, "beyond_request": 8, "unsafe_request": 5,
    "unclear_request": 8, "cancelled": 2.5, "impossible_request": 2.5, "chatty_of": 10, "excepted": 5,
    "negated": 6, "conditioned": 7, "condition_with_it": 4, "said_of_it": 3, "weighed": 5, "some_of": 4,
    "stepwise": 7, "revised": 5, "nested": 5, "spared": 4, "unwanted": 4, "rebuilt": 5, "asked_if": 11,
    "asked_for": 16,
    "voice_put": 4, "voice_many": 2.5, "voice_except": 2, "voice_contrast": 4, "voice_condition": 4,
    "voice_swap": 1.5, "voice_out": 1.3, "voice_move": 0.8, "voice_keep": 1.2,
    "voice_sequence": 3.5, "voice_chat": 3.5, "voice_question": 3.5, "voice_query": 4, "voice_refuse": 2.5,
    "voice_where": 3.5, "voice_whether": 3.5,
    "voice_yesno": 3.5, "voice_open": 4, "voice_border": 4.5, "voice_aside": 4, "voice_takeback": 4,
    "voice_fronted": 3, "voice_pairs": 4.5, "voice_elliptic": 3.5, "voice_told": 4,
}  # fmt: skip
"""Symbols that examples are drawn from, and how often."""

ALIKE: Mapping[str, tuple[str, ...]] = {
    "chatty_of": ("plain_put", "put_one", "put_many", "pronoun_of"), "asked_if": ("exists_of", "compared"),
    "asked_for": ("count_of", "colour_of", "what_is", "where_is"), "excepted": ("put_many", "kept_and_done"),
    "negated": ("instead", "kept_and_done", "put_many"), "conditioned": ("if_of",), "revised": ("corrected",),
    "condition_with_it": ("if_of",), "stepwise": ("sequence_of",), "nested": ("put_one",),
    "said_of_it": ("pronoun_of",), "weighed": ("if_of", "compared"), "some_of": ("put_many",),
    "spared": ("put_many", "kept_and_done"), "unwanted": ("instead", "kept"),
    "rebuilt": ("swap_of", "stack_three", "row_of"),
    "voice_put": ("plain_put", "put_one"), "voice_where": ("put_one",), "voice_many": ("put_many",),
    "voice_except": ("put_many", "matched"), "voice_contrast": ("instead", "corrected"),
    "voice_condition": ("if_of",), "voice_whether": ("if_of",),
    "voice_swap": ("swap_of", "stack_three", "row_of"),
    "voice_out": ("emptied", "taken_out", "cleared"), "voice_move": ("move_by",),
    "voice_keep": ("kept", "kept_and_done"), "voice_sequence": ("sequence_of",),
    "voice_chat": ("plain_put", "put_many"),
    "voice_fronted": ("plain_put", "put_one"), "voice_told": ("put_one", "if_of", "move_by"),
    "voice_pairs": ("instead", "sequence_of", "kept_and_done"),
    "voice_elliptic": ("pronoun_of", "corrected", "sequence_of"),
    "voice_question": ("exists_of", "compared"),
    "voice_query": ("count_of", "what_is", "where_is", "colour_of"),
    "voice_refuse": ("absent", "beyond_request", "unsafe_request", "unclear_request"),
    "voice_yesno": ("exists_of", "compared"), "voice_open": ("count_of", "what_is", "where_is", "colour_of"),
    "voice_border": ("plain_put", "absent", "beyond_request", "unsafe_request", "unclear_request"),
    "voice_aside": ("plain_put", "put_many"), "voice_takeback": ("corrected",),
}  # fmt: skip
"""Categories that stand for those that only English has, in other languages."""
ASKING = ("count", "exists", "colour", "size", "what", "where", "possible")
"""How programs begin that only ask."""
OTHER_LANGUAGES = 0.35
"""Share of examples that are not in English."""


class Instructions:
    """An endless source of examples in English and in the languages of the folder `languages`.

    Attributes:
        english: its grammar, with the talk of `english_chatter.yaml`.
    """

    def __init__(self) -> None:
        english = sorted((FOLDER / "english").glob("*.yaml"))
        self.english = Grammar.load(*english, FOLDER / "english_chatter.yaml")
        noise = Grammar.load(FOLDER / "english_noise.yaml")
        self._haste = Haste(noise, Slips.load(self.english.words), Chatter(self.english))
        self._languages = languages()
        self._shares = tuple(language.share for language in self._languages)

    def examples(self, rng: random.Random, hasty: float = 0.6, contrasted: float = 0.35) -> Iterator[Example]:
        """Examples whose programs can be read and are such as a person would ask for; none is held out.

        Args:
            rng: source of the draws.
            hasty: share of sentences with manners, fillers, typos, odd capitals or marks.
            contrasted: share of draws that are followed by a sentence that is nearly the same and means
                something else, written as hastily.
        """
        names, weights = tuple(CATEGORIES), tuple(CATEGORIES.values())
        while True:
            category = rng.choices(names, weights)[0]
            language = self._language(rng)
            while language is not None and category not in language.symbols:
                category = rng.choice(ALIKE.get(category) or names)
            if rng.random() < contrasted:
                drawn = self.contrasted(rng, category, language)
            else:
                drawn = [self.one(rng, category, language)]
            if rng.random() < hasty:
                seed = rng.random()
                drawn = [self._hasty(random.Random(seed), one, language) for one in drawn]
            yield from (one for one in drawn if key(one.sentence) not in held_out())

    def _hasty(self, rng: random.Random, one: Example, language: Language | None) -> Example:
        if language is not None:
            return replace(one, sentence=language.hurried(rng, one.sentence, one.program.startswith(ASKING)))
        asks = not one.program.startswith(("refuse", "nothing"))
        return replace(one, sentence=self._haste.written(rng, one.sentence, asks))

    def contrasted(
        self, rng: random.Random, category: str, language: Language | None = None
    ) -> list[Example]:
        """An example, and where it can be had one that differs in few words and in its program."""
        if language is not None or rng.random() < 0.5:
            first, second = self._grammar(language).pair(rng, category)
            both = [self._sensible(first), self._sensible(second)]
        else:
            both = [one := self.one(rng, category), contrast(rng, one)]
        drawn = [one for one in both if one is not None]
        if len(drawn) == 2 and (
            drawn[0].program == drawn[1].program or drawn[0].sentence == drawn[1].sentence
        ):
            return drawn[:1]
        return drawn or [self.one(rng, category, language)]

    def one(self, rng: random.Random, category: str, language: Language | None = None) -> Example:
        """A sensible example of a category in a language (English if None), as it is meant to be written.

        Each rule of a category is as likely as its weight says; the sentence has at most `MAX_LETTERS`.
        """
        grammar = self._grammar(language)
        while (drawn := self._sensible(grammar.draw(rng, category))) is None:
            pass
        return drawn

    def _grammar(self, language: Language | None) -> Grammar:
        return self.english if language is None else language.grammar

    @staticmethod
    def _sensible(drawn: Example) -> Example | None:
        try:
            program = parse(drawn.program)
        except BadProgram:  # a sentence that asks for more than a program holds
            return None
        if not is_sensible(program) or len(drawn.sentence) > MAX_LETTERS:
            return None
        return replace(drawn, program=program.text)

    def _language(self, rng: random.Random) -> Language | None:
        if rng.random() >= OTHER_LANGUAGES:
            return None
        return rng.choices(self._languages, self._shares)[0]
