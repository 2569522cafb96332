"""What counts as a yes: nothing that could as well be a correction."""

import pytest

from palme.language.yes import is_yes


@pytest.mark.parametrize(
    "answer",
    ["y", "Yes.", "yes, please do", "OK!", "okay, go ahead", "sure, robot", "go ahead",
     "do it",
     "that's right", "ja", "oui", "yes that is right", "of course"],
)  # fmt: skip
def test_agreement(answer: str) -> None:
    assert is_yes(answer)


@pytest.mark.parametrize(
    "answer",
    ["", " ", "right", "that", "it", "that one", "please", "no", "yes, but the blue one", "the right one",
     "do not", "go right",
     "is it",
     "yesterday", "not ok"],
)  # fmt: skip
def test_what_says_too_little_or_something_else(answer: str) -> None:
    assert not is_yes(answer)
