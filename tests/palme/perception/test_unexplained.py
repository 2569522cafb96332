"""Sizes of things of which another hides the face, by the height of that: only where it is surer."""

from itertools import product

import numpy as np
import pytest

from palme.perception.unexplained import EDGES, SURE, covered_sizes

UNSURE, SMALL, LARGE = (0.5, 0.5), (1.0, 0.0), (0.0, 1.0)
FLOOR = 0.004
"""[m] of a bowl's floor above the table."""


def told(*things: tuple[float, float, tuple[float, float]], bowl_at: float | None = None) -> dict[int, bool]:
    """`covered_sizes` of things (x, height of the top face, size), all in [m], with a bowl behind them."""
    tops = [(0.5 + x, 0.0, z) for x, z, _ in things]
    size = [one for *_, one in things]
    is_bowl = [False] * len(things)
    if bowl_at is not None:
        tops.append((0.5 + bowl_at, 0.0, FLOOR))
        size.append(UNSURE)
        is_bowl.append(True)
    return covered_sizes(np.array(tops), np.array(is_bowl), np.array(size, np.float32))


@pytest.mark.parametrize("off", (-0.006, 0.0, 0.006))
@pytest.mark.parametrize("floor", (0.0, FLOOR), ids=("on the table", "in a bowl"))
@pytest.mark.parametrize(("lower", "upper"), product((0, 1), (0, 1)))
def test_what_lies_on_it_tells_its_size(lower: int, upper: int, floor: float, off: float) -> None:
    """By the height of the upper face alone: the lower one is seen at its edge, a little off."""
    top = floor + EDGES[lower]
    over = (0.004, top + EDGES[upper], LARGE if upper else SMALL)
    assert told((0.0, top + off, UNSURE), over, bowl_at=0.01 if floor else None) == {0: bool(lower)}


def test_a_bowl_beside_does_not_count() -> None:
    top = np.mean(EDGES) + FLOOR / 2  # large on the table, small in a bowl
    things = ((0.0, top, UNSURE), (0.0, top + EDGES[0], SMALL))
    assert told(*things, bowl_at=0.1) == {0: True} and told(*things, bowl_at=0.02) == {0: False}


@pytest.mark.parametrize(
    "others",
    [
        [],
        [(0.03, EDGES[1] + EDGES[0], SMALL)],  # beside
        [(0.0, EDGES[1] + EDGES[0], UNSURE)],  # no surer itself
        [(0.0, EDGES[1] + EDGES[0], (SURE - 0.01, 1 - SURE + 0.01))],
        [(0.0, EDGES[1] + EDGES[0], SMALL), (0.01, EDGES[1] + EDGES[0], SMALL)],  # which of them
        [(0.0, EDGES[1] + 2 * EDGES[0], SMALL)],  # on another that is not seen
        [(0.0, EDGES[1] + EDGES[0], SMALL), (0.0, 0.004, SMALL)],  # it lies on something itself
    ],
    ids=["alone", "beside", "unsure", "not sure enough", "two", "too high", "not the lowest"],
)
def test_nothing_is_told_of_what_is_not_clear(others: list[tuple[float, float, tuple[float, float]]]) -> None:
    assert 0 not in told((0.0, EDGES[1], UNSURE), *others)


@pytest.mark.parametrize("size", (SMALL, LARGE))
def test_a_size_that_is_sure_by_looks_is_not_doubted(size: tuple[float, float]) -> None:
    assert told((0.0, EDGES[1], size), (0.0, EDGES[1] + EDGES[0], SMALL)) == {}
