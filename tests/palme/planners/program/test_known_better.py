"""What a program asks for grows with what later pictures correct, and never shrinks or changes otherwise."""

from dataclasses import replace

import pytest

from palme.language.programs.parser import parse
from palme.planners.program.interpreter import interpret
from palme.planners.program.known_better import known_better
from palme.planners.program.program_goal import ProgramGoal
from palme.planners.program.reader import Reading
from palme.planners.program.scene import SeenScene
from tests.palme.planners.program.scenes import scene

TABLE = scene(
    "small red block 0.40 -0.20",  # 0
    "small red cylinder 0.50 -0.20",  # 1
    "large blue block 0.40 0.00",  # 2
    "large red bowl 0.55 0.20",  # 3
)


def _after(text: str, id: int, **looks: str) -> set[int] | None:
    """What is moved once thing `id` is known to have other `looks` than at the start."""
    program = parse(text)
    goal = ProgramGoal(text, Reading(text, program, 1.0, (1.0, ""), 0.0))
    goal.scene = TABLE
    goal.begin(interpret(program, TABLE))
    goal.scene = SeenScene(tuple(replace(t, **looks) if t.id == id else t for t in TABLE))
    more = known_better(goal)
    return None if more is None else {one.what for one in more.goals}


@pytest.mark.parametrize(
    ("text", "id", "looks", "moved"),
    [
        ("put(all red block, in red bowl)", 1, {"kind": "block"}, {0, 1}),
        ("put(all red block, in red bowl)", 2, {"colour": "red"}, {0, 2}),
        ("put(all small block, in red bowl)", 2, {"size": "small"}, {0, 2}),
        ("put(all block, on table)", 1, {"kind": "block"}, {0, 1, 2}),
        ("put(all block, in red bowl)", 2, {"kind": "cylinder"}, None),  # fewer: what is done is done
        ("put(red block, in red bowl)", 1, {"kind": "block"}, None),  # which of two would be asked now
        ("put(any block, in red bowl)", 1, {"kind": "block"}, None),
        ("put(all red block, in red bowl)", 1, {"size": "large"}, None),
    ],
)
def test_only_what_is_more_by_corrected_looks_is_done_besides(
    text: str, id: int, looks: dict[str, str], moved: set[int] | None
) -> None:
    assert _after(text, id, **looks) == moved
