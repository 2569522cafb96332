"""Programs are the same when they bring about the same on tables that have what they name."""

import pytest

from palme.language.programs.parser import parse
from palme.planners.program.agreement.same import same
from tests.palme.planners.program.scenes import scene


@pytest.mark.parametrize(
    ("first", "second"),
    [("put(red block, in blue bowl)", "put(red block, in blue bowl)"),
     ("put(red block, in blue bowl)", "put(red block, on blue bowl)"),
     ("put(red block + green block, in blue bowl)", "put(green block + red block, in blue bowl)"),
     ("put(red block, in blue bowl); put(green block, in blue bowl)",
      "put(red block + green block, in blue bowl)"),
     ("swap(red block, green block)", "swap(green block, red block)")],
)  # fmt: skip
def test_two_ways_to_write_one_thing_are_the_same(first: str, second: str) -> None:
    assert same(parse(first), parse(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [("put(red block, in blue bowl)", "put(green block, in blue bowl)"),
     ("put(red block, in blue bowl)", "put(red block, in green bowl)"),
     ("put(all red block, in blue bowl)", "keep(all red block)"),
     ("stack(red block, blue block)", "stack(blue block, red block)"),
     ("put(red block, left of blue bowl)", "put(red block, right of blue bowl)"),
     ("count(red block)", "count(green block)"),
     ("put(red block, in blue bowl)", "exists(red block [in blue bowl])"),
     ("refuse(beyond)", "put(red block, in blue bowl)"),
     ("refuse(beyond)", "refuse(absent)")],
)  # fmt: skip
def test_other_requests_are_not(first: str, second: str) -> None:
    assert not same(parse(first), parse(second))
    assert not same(parse(second), parse(first))


def test_on_what_is_seen_descriptions_of_one_thing_are_the_same() -> None:
    seen = scene("small red block 0.4 -0.2", "large red block 0.4 0.1", "blue bowl 0.55 0.2")
    small, left = (
        parse("put(small red block, in blue bowl)"),
        parse("put(red block [leftmost], in blue bowl)"),
    )
    assert same(small, left, seen)
    assert not same(small, parse("put(large red block, in blue bowl)"), seen)
