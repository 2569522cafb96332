"""Plain words: the same request without slips, manners and other names."""

import pytest

from palme.language.checks.plain import plain


@pytest.mark.parametrize(
    ("sentence", "words"),
    [("Hey robot, could you please put teh crimson cube in the navy dish?",
      "put the red block in the blue bowl?"),
     ("put the red block in the blue bowl", "put the red block in the blue bowl"),
     ("PUT THE YELOW BRICKS ON THE TABLE!", "put the yellow blocks on the table"),
     ("don't touch the violet cylinder.", "don't touch the purple cylinder.")],
)  # fmt: skip
def test_a_sentence_in_plain_words(sentence: str, words: str) -> None:
    assert plain(sentence) == words


def test_plain_words_stay_as_they_are() -> None:
    once = plain("um, pls move the smal emerald brick 10cm to the rihgt, thanks")
    assert plain(once) == once
