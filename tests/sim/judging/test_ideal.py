"""A step carried out as it was meant does what it says, to the very thing that it means."""

from __future__ import annotations

import numpy as np
import pytest

from robots.skills import Step
from sim.judging.ideal import NoSuchStep, Placement, carried_out, meant
from tests.sim.judging.tables import IDS, table

r, R, g, p, c, B, G = (IDS[name] for name in ("r", "R", "g", "p", "c", "B", "G"))


def at(name: str, shift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> tuple[float, float, float]:
    """The middle of a solid's top face, or of a bowl's floor."""
    here = table()
    x, y, z = here.positions[IDS[name]] + np.array(shift)
    up = {"R": 0.021, "B": -0.011, "G": -0.011}.get(name, 0.017)
    return float(x), float(y), float(z) + up


def test_of_two_alike_the_nearer_is_meant() -> None:
    for name in ("r", "R"):
        step = Step("put_in", "red block", "blue bowl", at(name, (0.01, -0.01, 0.0)))
        assert meant(step, table()) == Placement(IDS[name], B)


@pytest.mark.parametrize(
    "step",
    [
        Step("put_in", "red block", "blue bowl"),  # there are two
        Step("put_in", "red block", "blue bowl", (0.51, -0.07, 0.02)),  # neither is near
        Step("put_in", "pink block", "blue bowl"),
        Step("put_in", "purple block", "pink bowl"),
        Step("done"),
    ],
)
def test_what_is_not_singled_out_means_nothing(step: Step) -> None:
    with pytest.raises(NoSuchStep):
        meant(step, table())


@pytest.mark.parametrize("what", [r, R, p, c])
@pytest.mark.parametrize("onto", [B, G, None, c, R])
def test_a_thing_rests_where_it_was_put_and_nothing_else_changes(what: int, onto: int | None) -> None:
    if what == onto:
        return
    before = table()
    after = carried_out(before, Placement(what, onto))
    expected = list(before.state.holder)
    expected[what] = onto
    assert after.state.holder == tuple(expected)
    rest = [i for i in range(len(before.specs)) if i != what]
    np.testing.assert_array_equal(after.positions[rest], before.positions[rest])


def test_a_place_on_the_table_is_taken_to_the_millimetre() -> None:
    after = carried_out(table(), Placement(p, None, (0.60, -0.15)))
    np.testing.assert_allclose(after.positions[p, :2], (0.60, -0.15))
    assert after.state.holder[p] is None


@pytest.mark.parametrize(
    "placement",
    [
        Placement(g, B),  # p lies on it
        Placement(r, g),  # p lies there
        Placement(B, G),  # a bowl
        Placement(r, r),
        Placement(r, None, (0.62, 0.06)),  # R stands there
    ],
)
def test_what_cannot_be_done_is_refused(placement: Placement) -> None:
    with pytest.raises(NoSuchStep):
        carried_out(table(), placement)


def test_a_bowl_takes_one_thing_after_another() -> None:
    now = table()
    for what in (p, g, r, R, c):
        now = carried_out(now, Placement(what, B))
    assert all(now.state.container(i) == B for i in (p, g, r, R, c))
    again = carried_out(now, Placement(c, B))
    assert again.state.container(c) == B
