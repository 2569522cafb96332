"""Over drawn sentences the word check passes most right programs, and stops most with one thing wrong."""

import pytest

from tests.palme.language.checks.rates import Rates, drawn, rates

SENTENCES = 120


@pytest.fixture(scope="module")
def found() -> Rates:
    return rates(drawn(SENTENCES, 5), 5)


def test_few_right_programs_are_stopped(found: Rates) -> None:
    assert found.right == SENTENCES
    assert found.stopped <= 0.22 * found.right  # 0.175 when this was written


def test_most_programs_with_one_thing_wrong_are_stopped_or_doubted(found: Rates) -> None:
    assert found.wrong.total() > 3 * SENTENCES
    assert found.caught.total() + found.doubted.total() >= 0.82 * found.wrong.total()


@pytest.mark.parametrize("kind", ["colour", "colour lost", "line added", "place", "kind"])
def test_what_a_person_would_see_at_once_is_stopped(found: Rates, kind: str) -> None:
    assert found.caught[kind] >= 0.85 * found.wrong[kind] > 0
