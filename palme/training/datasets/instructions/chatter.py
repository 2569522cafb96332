"""Long talk around a request: reasons, stories, asides, and things that the request is not about."""

from __future__ import annotations

import random
import re

from palme.training.datasets.instructions.grammar import Grammar

_JOINTS = re.compile(r"(?<!^)\b(?:into|onto|in|on top of|to the|next to|and|then|behind|between|under)\b")
"""Words before which people break off."""


class Chatter:
    """Talks around sentences.

    Args:
        rules: the symbols of `english_chatter.yaml` and those that they are made of.
    """

    def __init__(self, rules: Grammar) -> None:
        self._rules = rules

    def around(self, rng: random.Random, sentence: str, doing: str | None, verb: bool, named: bool) -> str:
        """`sentence` among other sentences.

        Args:
            doing: "putting it there" for "put it there"; None where no verb begins it.
            verb: whether a verb begins it, so that "could you" may stand before it.
            named: whether things may be named that it is not about.
        """
        question = sentence.endswith("?")
        if rng.random() < 0.2:
            sentence = self._broken(rng, sentence)
        said = [self._talk(rng, question, named) for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3)))]
        text = self._led(rng, said, sentence, doing, verb and not question)
        if not said or rng.random() < 0.5:
            mark = rng.choice((", ", ". ", ". ", " - ", "! ", " ", " , ")) if text[-1:].isalnum() else " "
            text = f"{text}{mark}{self._said(rng, 'close_ask' if question else 'close')}"
            if rng.random() < 0.2:
                text = f"{text}{rng.choice(('. ', ' ... ', ', '))}{self._said(rng, 'close')}"
        return text

    def _led(self, rng: random.Random, said: list[str], sentence: str, doing: str | None, verb: bool) -> str:
        """What was `said`, what leads over, and the request."""
        mark = rng.choice((". ", ". ", ", ", "; ", " - ", " ... ", " and ", " ", "! "))
        before = mark.join(said)
        way = rng.random()
        if doing is not None and way < 0.12:
            request = f"{self._said(rng, 'bridge_doing')} {doing}"
        elif verb and way < 0.6:
            request = f"{self._said(rng, 'bridge_do')} {sentence}"
        else:
            bridge = self._said(rng, "bridge_ask" if sentence.endswith("?") else "bridge")
            if not bridge:
                mark = rng.choice((". ", ". ", "! ", "; ", " - "))
            request = f"{bridge} {sentence}"
        return f"{before}{mark if before else ''}{request.strip()}"

    def _talk(self, rng: random.Random, question: bool, named: bool) -> str:
        if named and rng.random() < 0.25:
            return self._said(rng, "named")
        return self._said(rng, "talk_ask" if question and rng.random() < 0.7 else "talk")

    def _broken(self, rng: random.Random, sentence: str) -> str:
        """With something said in between, where people pause."""
        joints = list(_JOINTS.finditer(sentence))
        if not joints:
            return sentence
        at = rng.choice(joints).start()
        return f"{sentence[:at].rstrip(' ,')} {self._said(rng, 'aside').strip()} {sentence[at:]}".replace(
            " ,", ","
        )

    def _said(self, rng: random.Random, symbol: str) -> str:
        return self._rules.draw(rng, symbol).sentence
