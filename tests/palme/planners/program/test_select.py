"""The words of a program single out things, or say why they do not."""

import pytest

from palme.language.programs.calls import Ask
from palme.language.programs.parser import parse
from palme.language.programs.things import Things
from palme.planners.program.scene import SeenScene
from palme.planners.program.select import Ambiguous, CannotTell, NotSeen, Selector, TooFew
from tests.palme.planners.program.scenes import scene

TABLE = scene(
    "small red block 0.40 -0.20",  # 0
    "large red block 0.62 0.05",  # 1
    "large yellow block 0.40 0.02",  # 2
    "small purple block on 2",  # 3
    "small orange cylinder 0.52 -0.24",  # 4
    "large blue bowl 0.50 0.22",  # 5
    "large green bowl 0.52 -0.08",  # 6
    "small cyan block in 5",  # 7
    "small pink block on 3",  # 8
)


def _things(text: str) -> Things:
    line = parse(f"count({text})").lines[0]
    assert isinstance(line, Ask)
    return line.about


def _select(text: str, seen: SeenScene = TABLE, **more: object) -> set[int]:
    return set(Selector(seen, **more).select(_things(text)).ids)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("yellow block", {2}),
        ("small red block", {0}),
        ("all red block", {0, 1}),
        ("all block", {0, 1, 2, 3, 7, 8}),
        ("all thing", {0, 1, 2, 3, 4, 7, 8}),
        ("orange cylinder + yellow block", {2, 4}),
        ("red block [largest]", {1}),
        ("red block [smallest]", {0}),
        ("red block [leftmost]", {0}),
        ("thing [leftmost]", {4}),
        ("thing [rightmost]", {7}),
        ("block [frontmost]", {1}),
        ("thing [highest]", {8}),
        ("block [lowest]", {2}),  # of the pile, though a small block on the table has a lower top
        ("block [on yellow block]", {3}),
        ("block [under purple block]", {2}),
        ("thing [in blue bowl]", {7}),
        ("all block [in any bowl]", {7}),
        ("all block [not in any bowl]", {0, 1, 2, 3, 8}),
        ("all block [not red]", {2, 3, 7, 8}),
        ("all thing [not block]", {4}),
        ("all block [left of green bowl]", {0}),
        ("all block [right of green bowl]", {1, 2, 3, 7, 8}),
        ("all block [clear]", {0, 1, 7, 8}),
        ("all block [on table]", {0, 1, 2}),
        ("all block [loose]", {0, 1, 2}),
        ("block [nearest green bowl]", None),
        ("cylinder [nearest green bowl]", {4}),
        ("red block [furthest blue bowl]", {0}),
        ("bowl [holding cyan block]", {5}),
        ("bowl [empty]", {6}),
        ("bowl [not empty]", {5}),
        ("bowl [not green]", {5}),
        ("block [number 2 left]", {2}),
        ("all block [except red block [largest]]", {0, 2, 3, 7, 8}),
        ("all block [except all red block]", {2, 3, 7, 8}),
        ("all block [except white block]", None),
        ("all tower", {2, 3, 8}),
        ("tower", {2}),
        ("thing [among red block [smallest] + cyan block] [rightmost]", {7}),
        ("2 red block", {0, 1}),
        ("any red block", {0, 1}),
        ("yellow block [between orange cylinder and blue bowl]", {2}),
        ("all block [next to red block [smallest]]", set()),
        ("red block [middle]", None),
        ("block [on table] [middle]", {2}),
        ("block [number 2 front]", {7}),
        ("tower [number 2 highest]", {2}),  # a tower is told by what it stands on
        ("thing [on yellow block]", {3}),
        ("2 block [on table] [leftmost]", {0, 2}),
        ("2 thing [nearest pink block]", {2, 3}),
        ("half red block", {0, 1}),
        ("bowl [fullest]", {5}),
        ("bowl [emptiest]", {6}),
        ("all block [larger than cyan block]", {1, 2}),
        ("all block [smaller than cyan block]", None),
        ("all block [same size as yellow block]", {1}),
        ("all block [other colour as large red block]", {2, 3, 7, 8}),
        ("block [leftmost] [red]", {0}),
        ("block [leftmost] [yellow]", None),
    ],
)
def test_words_mean_things(text: str, ids: set[int] | None) -> None:
    if ids is None or not ids:
        with pytest.raises((CannotTell, ValueError)):
            _select(text)
    else:
        assert _select(text) == ids


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("red block", Ambiguous, "small red block or the large red block"),
        ("block", Ambiguous, "Which block"),
        ("pink bowl", NotSeen, "no pink bowl"),
        ("large purple block", NotSeen, "no large purple block"),
        ("small block [left of purple bowl]", NotSeen, "no purple bowl"),
        ("block [left of red block]", Ambiguous, "Which red block"),
        ("3 red block", TooFew, "I see 2"),
        ("4 red block + yellow block", TooFew, "I see 3"),
        ("it", NotSeen, "do not know"),
        ("all cyan cylinder", NotSeen, "no cyan cylinders"),
        ("bowl [same colour]", CannotTell, "moved"),
        ("all block [in bowl]", Ambiguous, "green bowl or the blue bowl"),
        ("block [between red block [smallest]]", CannotTell, "two things"),
    ],
)
def test_words_that_single_out_nothing_are_told(text: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        _select(text)


def test_it_is_what_the_line_before_was_about() -> None:
    assert _select("it", it=(4,)) == {4}
    assert _select("all thing [except it]", it=(4, 2)) == {0, 1, 3, 7, 8}
    with pytest.raises(NotSeen):
        _select("it", it=(99,))


def test_a_bowl_is_a_thing_only_where_it_is_asked_what_is_there() -> None:
    assert 5 not in _select("all thing")
    assert 5 in _select("all thing", with_bowls=True)


def test_the_same_colour_is_the_colour_of_what_is_moved() -> None:
    table = scene("red block 0.4 0", "blue block 0.5 0", "red bowl 0.4 0.2", "blue bowl 0.5 0.2")
    assert _select("bowl [same colour]", table, mover=0) == {2}
    assert _select("bowl [other colour]", table, mover=0) == {3}


def test_two_that_are_equally_far_are_asked_about() -> None:
    table = scene("red block 0.5 -0.1", "red block 0.5 0.1", "blue bowl 0.5 0.0")
    with pytest.raises(Ambiguous, match="on the left or .* on the right"):
        _select("red block [nearest blue bowl]", table)


def test_a_mirrored_table_turns_left_into_right() -> None:
    for text, turned in (
        ("thing [leftmost]", "thing [rightmost]"),
        ("all block [left of green bowl]", "all block [right of green bowl]"),
        ("block [number 1 left]", "block [number 1 right]"),
    ):
        mirrored = SeenScene(
            tuple(
                type(t)(t.id, t.kind, t.colour, t.size, (t.xyz[0], -t.xyz[1], t.xyz[2]), t.holder)
                for t in TABLE
            )
        )
        assert _select(text) == _select(turned, mirrored)


def test_things_that_seem_to_rest_on_each_other_do_not_hang_in_the_air() -> None:
    with pytest.raises(ValueError, match="rests on 9"):
        SeenScene((type(TABLE[0])(0, "block", "red", "small", (0, 0, 0), 9),))
    with pytest.raises(ValueError, match="own"):
        SeenScene((TABLE[0], TABLE[0]))
