"""Programs on a table: what shall hold, what is answered, and what is refused."""

import pytest

from palme.language.programs.parser import parse
from palme.planners.program.goals import At, Beside, InBowl, On, OnSide, OnTable, Unmoved
from palme.planners.program.interpreter import Intent, Refused, interpret
from palme.planners.program.placing import after
from palme.planners.program.scene import SeenScene
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
)


def _run(text: str, table: SeenScene = TABLE) -> tuple[Intent, SeenScene]:
    """The intent, and the scene after its goals were brought about one by one."""
    intent, seen = interpret(parse(text), table), table
    for goal in intent.goals:
        seen = after(seen, goal)
        assert goal.holds(seen)
    assert all(goal.holds(seen) for goal in intent.final)
    return intent, seen


@pytest.mark.parametrize(
    ("text", "goals"),
    [
        ("put(yellow block, in green bowl)", [InBowl(2, 6)]),
        ("put(red block [largest], in blue bowl)", [InBowl(1, 5)]),
        ("put(all red block, in green bowl)", [InBowl(0, 6), InBowl(1, 6)]),
        ("put(thing [on yellow block], in blue bowl)", [InBowl(3, 5)]),
        ("put(block [in blue bowl], on yellow block)", [On(7, 2)]),
        ("put(orange cylinder, on tower)", [On(4, 3)]),
        ("put(yellow block, under orange cylinder)", [On(4, 2)]),
        ("put(cyan block, on table)", [OnTable(7)]),
        ("out(thing [in blue bowl])", [OnTable(7)]),
        ("empty(blue bowl)", [OnTable(7)]),
        ("empty(green bowl)", []),
        ("clear(yellow block)", [OnTable(3)]),
        ("unstack(all tower)", [OnTable(3)]),
        ("stack(yellow block, cyan block, orange cylinder)", [On(7, 2), On(4, 7)]),
        ("stack(all red block by large)", [On(0, 1)]),
        ("reverse(tower)", [OnTable(3), On(2, 3)]),
        ("move(large red block, left 10)", [At(1, (0.62, -0.05))]),
        ("put(red block [leftmost], in blue bowl); put(it, on table)", [InBowl(0, 5), OnTable(0)]),
        ("keep(all red block); put(yellow block, in blue bowl)", [InBowl(2, 5)]),
        (
            "if exists(thing [in blue bowl]): empty(blue bowl) else: put(purple block, in blue bowl)",
            [OnTable(7)],
        ),
        ("if exists(thing [in green bowl]): empty(green bowl) else: put(purple block, in it)", None),
        ("if not exists(pink block): put(purple block, in green bowl)", [InBowl(3, 6)]),
        ("if count(red block) > 2: put(purple block, in green bowl)", []),
        ("nothing()", []),
        ("if exists(pink block) or exists(red block): put(purple block, in green bowl)", [InBowl(3, 6)]),
        ("if exists(red block) and not exists(red block): put(purple block, in green bowl)", []),
        (
            "if exists(pink block): nothing() else: if exists(red block): put(purple block, in green bowl)",
            [InBowl(3, 6)],
        ),
        ("put(large red block, left of blue bowl 15)", [At(1, (0.50, 0.07))]),
        ("put(large red block, left of blue bowl 40)", [At(1, (0.50, -0.18))]),
        ("put(large red block, side left behind)", [OnSide(1, "left", "behind")]),
        ("put(large red block, far from blue bowl)", [Beside(1, "far", 5)]),
        ("put(cyan block, instead of small red block)", [At(0, (0, 0)), At(7, (0.40, -0.20))]),
        ("put(orange cylinder, instead of purple block)", [At(3, (0, 0)), On(4, 2)]),
        (
            "put(small red block, on yellow block); put(cyan block, instead of small red block)",
            [On(0, 2), At(7, (0.40, -0.20))],
        ),
        (
            "put(purple block, in green bowl); put(orange cylinder, instead of purple block)",
            [InBowl(3, 6), On(4, 2)],
        ),
        ("put(blue bowl, instead of purple block)", None),
        ("put(2 block, instead of purple block)", None),
        ("put(half red block, in blue bowl)", [InBowl(0, 5)]),
        ("put(half block, in blue bowl)", None),
        ("put(2 red block, in bowl [empty])", [InBowl(0, 6), InBowl(1, 6)]),
        ("put(all cylinder + yellow block, in bowl [emptiest])", [InBowl(4, 6), InBowl(2, 6)]),
        ("put(any cylinder, in bowl [empty])", [InBowl(4, 6)]),
        ("put(any red block, in each bowl)", [InBowl(0, 6), InBowl(1, 5)]),
        ("put(1 red block, in each bowl)", [InBowl(0, 6), InBowl(1, 5)]),
        ("put(2 block, in each bowl)", [InBowl(0, 6), InBowl(1, 5), InBowl(3, 6), InBowl(7, 5)]),
    ],
)
def test_a_program_becomes_goals(text: str, goals: list[object] | None) -> None:
    if goals is None:
        with pytest.raises(Refused):
            _run(text)
    else:
        found = list(_run(text)[0].goals)
        assert [(type(g), g.what) for g in found] == [(type(g), g.what) for g in goals]  # type: ignore[attr-defined]
        assert all(a == b or isinstance(a, At) for a, b in zip(found, goals, strict=True))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("count(all block)", "5 (five) blocks"),
        ("count(red block)", "2 (two)"),
        ("count(thing [in each bowl])", "In the green bowl: 0; in the blue bowl: 1."),
        ("what(thing [in each bowl])", "In the green bowl: nothing; in the blue bowl: the cyan block."),
        ("exists(block [leftmost] [red])", "Yes"),
        ("count(tower)", "1 (one) tower"),
        ("count(thing [tower])", "2 (two) things"),
        ("exists(tower)", "Yes: the yellow block"),
        ("exists(yellow block [larger than purple block])", "Yes"),
        ("exists(yellow block [larger than large red block])", "No"),
        ("count(pink block)", "0 (no)"),
        ("count(red block) > 1", "Yes"),
        ("count(red block) = count(bowl)", "Yes"),
        ("count(red block) < count(yellow block)", "No"),
        ("exists(thing [under purple block])", "Yes: the yellow block"),
        ("exists(pink block)", "No"),
        ("exists(all block [in any bowl])", "No"),
        ("exists(all cylinder [not in any bowl])", "Yes"),
        ("colour(block [on yellow block])", "purple"),
        ("size(yellow block)", "large"),
        ("what(thing [in blue bowl])", "cyan block"),
        ("what(thing [in green bowl])", "Nothing"),
        ("where(cyan block)", "in the blue bowl"),
        ("where(purple block)", "on the yellow block"),
        ("possible(put(yellow block, in blue bowl))", "Yes"),
        ("possible(put(pink block, in blue bowl))", "No"),
        ("possible(put(blue bowl, in green bowl))", "No"),
    ],
)
def test_a_question_is_answered_and_nothing_moves(text: str, told: str) -> None:
    intent, _ = _run(text)
    assert not intent.goals
    assert told in intent.answers[0]


@pytest.mark.parametrize(
    ("text", "reason", "told"),
    [
        ("put(red block, in blue bowl)", "which", "Which red block"),
        ("put(pink block, in blue bowl)", "absent", "no pink block"),
        ("put(yellow block, in pink bowl)", "absent", "no pink bowl"),
        ("put(yellow block, in bowl)", "which", "Which bowl"),
        ("put(blue bowl, in green bowl)", "beyond", "cannot lift"),
        ("put(yellow block, in orange cylinder)", "impossible", "only bowls"),
        ("put(yellow block, under blue bowl)", "impossible", "bowl"),
        ("put(2 red block, in each bowl)", "impossible", "takes 4"),
        ("put(5 red block, in blue bowl)", "absent", "I see 2"),
        ("move(yellow block, away 20)", "impossible", "reach"),
        ("move(small red block, left 30)", "impossible", "reach"),
        ("stack(yellow block)", "impossible", "tower of 2"),
        ("row(yellow block)", "impossible", "two"),
        ("out(yellow block)", "impossible", "in no bowl"),
        ("keep(yellow block); put(yellow block, in blue bowl)", "impossible", "cannot do both"),
        ("refuse(unsafe)", "unsafe", "will not"),
        ("refuse(beyond)", "beyond", "cannot"),
        ("put(yellow block, in blue bowl); refuse(beyond)", "beyond", "cannot"),
        ("put(yellow block, in blue bowl); put(pink block, in blue bowl)", "absent", "pink"),
        ("swap(blue bowl, green bowl)", "beyond", "cannot lift"),
        ("put(it, in blue bowl)", "absent", "it"),
    ],
)
def test_what_is_not_wholly_understood_is_refused_as_a_whole(text: str, reason: str, told: str) -> None:
    with pytest.raises(Refused, match=told) as refused:
        interpret(parse(text), TABLE)
    assert refused.value.reason == reason


def test_things_that_change_places_end_where_the_other_was() -> None:
    _, seen = _run("swap(orange cylinder, small red block)")
    assert seen[4].xyz[:2] == pytest.approx(TABLE[0].xyz[:2], abs=1e-6)
    assert seen[0].xyz[:2] == pytest.approx(TABLE[4].xyz[:2], abs=1e-6)
    _, seen = _run("swap(cyan block, purple block)")
    assert seen[7].holder == 2 and seen[3].holder == 5


def test_a_row_is_straight_and_in_order_with_room_between() -> None:
    _, seen = _run("row(small red block, purple block, large red block)")
    xs, ys = zip(*(seen[id].xyz[:2] for id in (0, 3, 1)), strict=True)
    assert max(xs) - min(xs) < 0.02
    assert all(b - a >= 0.03 for a, b in zip(ys[:-1], ys[1:], strict=True))
    _, seen = _run("column(small red block, purple block)")
    assert seen[0].xyz[0] > seen[3].xyz[0] + 0.03


@pytest.mark.parametrize("side", ["left of", "right of", "front of", "behind", "next to"])
@pytest.mark.parametrize("of", ["blue bowl", "large red block", "yellow block", "orange cylinder"])
def test_a_thing_put_to_a_side_lies_there(side: str, of: str) -> None:
    try:
        intent, seen = _run(f"put(purple block, {side} {of})")
    except Refused as refused:
        assert refused.reason == "impossible"
    else:
        assert intent.final == intent.goals
        assert seen[3].holder is None


def test_what_is_not_to_be_touched_is_watched() -> None:
    intent, _ = _run("keep(all red block); put(yellow block, in blue bowl)")
    assert intent.keep == {0, 1}
    assert Unmoved(0, (0.40, -0.20), None) in intent.final


def test_each_block_goes_into_the_bowl_of_its_colour() -> None:
    table = scene(
        "red block 0.4 0", "blue block 0.5 0", "red bowl 0.4 0.2", "blue bowl 0.5 -0.2", "green bowl 0.6 0.2"
    )
    assert list(_run("put(each block, in bowl [same colour])", table)[0].goals) == [
        InBowl(0, 2),
        InBowl(1, 3),
    ]


def test_each_line_says_what_it_found() -> None:
    intent, _ = _run("put(all red block, in green bowl); count(block [in green bowl])")
    assert [line.found for line in intent.lines] == [(0, 1), (0, 1)]
    assert intent.answers == ("There are 2 (two) blocks in green bowl.",)


@pytest.mark.parametrize("n", [2, 3])
def test_what_is_named_as_often_as_it_is_there_takes_turns(n: int) -> None:
    """The two red and the two green blocks: no question which, since all of them are meant."""
    rows = [f"{colour} block {0.40 + 0.07 * k} {y}" for k in range(n)
            for colour, y in (("red", -0.10), ("green", 0.10))]  # fmt: skip
    table = scene(*rows)
    text = ", ".join(["red block", "green block"] * n)
    _, end = _run(f"stack({text})", table)
    tower = max(end.towers(), key=len)
    assert [end[id].colour for id in tower] == ["red", "green"] * n
    with pytest.raises(Refused) as asked:
        interpret(parse("stack(red block, green block)"), table)
    assert asked.value.reason == "which"
