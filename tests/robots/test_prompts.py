"""A step is understood however a person writes it, and words that are not understood are refused by name."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from robots.policy_servers.errors import FieldMissing, FieldRefused
from robots.policy_servers.gr00t_forms import dot, nest, read_request, with_instruction
from robots.policy_servers.keys import keys_for
from robots.policy_servers.session import Session
from tests.policy_fakes import STEP, Sweep, reader, request

STEPS = (STEP, "put the green cylinder on the table", "put the cyan block on the pink block", "done")


def openpi(text: object) -> Session:
    session = Session(Sweep(), reader())
    session.answer(request(prompt=text))
    return session


def gr00t(write: Callable[[dict], dict]) -> Callable[[object], Session]:
    def enter(text: object) -> Session:
        session, keys = Session(Sweep(), reader("gr00t")), keys_for("gr00t")
        flat, _ = read_request({"observation": write(request(keys, prompt=text))})
        session.answer(with_instruction(flat, keys.prompt))
        return session

    return enter


ENTRANCES = {"openpi": openpi, "GR00T": gr00t(nest), "GR00T, flat": gr00t(lambda flat: dot(flat, True))}


def written(step: str) -> list[str]:
    """`step` with other case, ends and blanks: 100 ways."""
    cases = (step, step.capitalize(), step.upper(), step.title(), step.swapcase())
    ends = ("", ".", " .", "..", "!", ".\n", "...")
    blanks = (
        lambda t: t,
        lambda t: f"  {t}\t",
        lambda t: t.replace(" ", "  "),
        lambda t: t.replace(" ", "\n"),
    )
    return [blank(case + end) for case, end, blank in itertools.product(cases, ends, blanks)]


@pytest.mark.parametrize("protocol", ENTRANCES)
def test_capitals_a_full_stop_and_blanks_change_nothing(protocol: str) -> None:
    for step in STEPS:
        for text in written(step):
            assert ENTRANCES[protocol](text)._step.text == step, text


def test_the_same_step_written_in_another_way_goes_on_where_it_was() -> None:
    session = Session(Sweep(), reader())
    chunks = [1, 2, 3, 3]  # of 8, 3 and 13 rows; an answer has 8
    for text, chunk in zip(written(STEP)[:4], chunks, strict=True):
        session.answer(request(prompt=text))
        assert session.policy.chunk == chunk


@pytest.mark.parametrize("protocol", ENTRANCES)
@pytest.mark.parametrize(
    "text",
    [
        "put the red blocks in the blue bowl",
        "do not put the red block in the blue bowl",
        "take the red block out of the blue bowl",
        "put the big red block in the blue bowl",
        "put the red block in the blue bowl?",
        "is the red block in the blue bowl",
        "put the red block",
        "put the red block in the blue bowl and stop",
        "please put the red block in the blue bowl",
        "put the red block in the blue bowl, slowly",
        "put the red block on the blue bowl",
        "pick up the red block",
        "put the red block in the blue bowl. put the green block on the table",
        "put the rad block in the blue bowl",
        "put the red block under the table",
        "put the red block in the red block",
        ".",
        "...",
        "!",
        " ",
        "\n",
        "put the red block in the blue bowl;",
        '"put the red block in the blue bowl"',
        "stop",
        "help",
        "a" * 1001,
    ],
)
def test_words_that_are_not_understood_are_refused(protocol: str, text: str) -> None:
    with pytest.raises((FieldRefused, FieldMissing)) as caught:
        ENTRANCES[protocol](text)
    key = keys_for("openpi" if protocol == "openpi" else "gr00t").prompt
    assert key in str(caught.value)


@pytest.mark.parametrize("protocol", ENTRANCES)
@pytest.mark.parametrize("text", [7, 1.5, True, b"put", ["put", "it"], {"text": STEP}, [STEP, STEP], [[7]]])
def test_a_prompt_that_is_no_text_is_refused_by_its_name(protocol: str, text: object) -> None:
    with pytest.raises((FieldRefused, FieldMissing), match="prompt|task"):
        ENTRANCES[protocol](text)
