"""Whatever is drawn for training runs on a table, or is refused in words."""

import random
from itertools import islice

from palme.language.programs.parser import parse
from palme.planners.program.interpreter import Refused, interpret
from palme.training.datasets.instructions.drawing import Instructions
from robots.skills import COLOURS
from tests.palme.planners.program.scenes import scene


def test_drawn_programs_run_or_are_refused_in_words() -> None:
    rng, ran = random.Random(8), 0
    for example in islice(Instructions().examples(rng, hasty=0.0), 250):
        colours = rng.sample(COLOURS, 7)
        table = scene(
            f"small {colours[0]} block 0.40 -0.22",
            f"large {colours[1]} block 0.60 -0.10",
            f"small {colours[2]} block on 1",
            f"large {colours[3]} cylinder 0.40 0.02",
            f"large {colours[4]} bowl 0.52 0.20",
            f"small {colours[5]} bowl 0.50 -0.24",
            f"small {colours[6]} block in 4",
        )
        try:
            intent = interpret(parse(example.program), table)
        except Refused as refused:
            assert str(refused)
        else:
            ran += 1
            assert intent.goals or intent.answers or intent.lines
    assert ran > 20
