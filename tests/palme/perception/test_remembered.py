"""What is hidden is remembered where it was; what is visibly gone, moved, or was seen once alone is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from palme.perception import remembered
from palme.perception.objects import PerceivedObjects
from palme.perception.remembered import RememberedObjects
from robots.skills import ENTITIES, Location
from tests.planner_fakes import observation, scene, seen

TOWER = ("cyan block", "red block > cyan block", "blue bowl", "pink block")
LOOK = observation()


def without(objects: PerceivedObjects, name: str) -> PerceivedObjects:
    """`objects` as a detector finds them that misses `name`: what it held seems to be on the table."""
    rows = [i for i in range(len(objects)) if objects.name(i) != name]
    parts = {
        field: getattr(objects, field)[rows]
        for field in ("class_probs", "size_probs", "xyz", "score", "feature", "pixel")
    }
    holders = objects.holder_probs[np.ix_(rows, [*rows, len(objects)])]
    holders[:, -1] = 1 - holders[:, :-1].sum(1)
    return PerceivedObjects(holder_probs=holders, **parts)


def held_by(objects: PerceivedObjects, name: str) -> str:
    names = [objects.name(i) for i in range(len(objects))]
    k = int(objects.holder_probs[names.index(name)].argmax())
    return names[k] if k < len(names) else "table"


def names(objects: PerceivedObjects) -> set[str]:
    return {objects.name(i) for i in range(len(objects))}


@pytest.fixture
def nothing_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "is_empty", lambda observation, at: False)


def memory(pictures: int, *rows: str, seed: int = 0) -> tuple[RememberedObjects, PerceivedObjects]:
    kept, full = RememberedObjects(), seen(scene(*rows), seed)
    for _ in range(pictures):
        assert kept.update(full, LOOK) is full
    return kept, full


@pytest.mark.parametrize("seed", range(5))
def test_what_a_picture_hides_is_where_it_was_and_carries_what_it_carried(
    nothing_is_empty: None, seed: int
) -> None:
    kept, full = memory(2, *TOWER, seed=seed)
    found = kept.update(without(full, "cyan block"), LOOK)
    assert names(found) == names(full) and found.name(len(found) - 1) == "cyan block"
    at = [full.name(i) for i in range(len(full))].index("cyan block")
    np.testing.assert_array_equal(found.xyz[-1], full.xyz[at])
    assert held_by(found, "red block") == "cyan block" and held_by(found, "cyan block") == "table"
    np.testing.assert_allclose(found.holder_probs.sum(1), 1, atol=1e-5)
    assert found.holder_probs.shape == (4, 5)
    again = kept.update(without(full, "cyan block"), LOOK)  # and in the next picture as well
    assert "cyan block" in names(again)


def test_a_thing_that_was_seen_once_alone_may_be_an_error(nothing_is_empty: None) -> None:
    kept, full = memory(1, *TOWER)
    assert "cyan block" not in names(kept.update(without(full, "cyan block"), LOOK))


def test_what_was_moved_is_only_where_it_is_seen(nothing_is_empty: None) -> None:
    kept, full = memory(3, *TOWER)
    gone = without(full, "pink block")
    assert "pink block" not in names(kept.update(gone, LOOK, moved="pink block"))
    assert "pink block" not in names(kept.update(gone, LOOK))
    kept.forget()
    assert "red block" not in names(kept.update(without(full, "red block"), LOOK))


def test_a_place_that_is_visibly_empty_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, full = memory(2, *TOWER)
    at = full.xyz[[full.name(i) for i in range(len(full))].index("pink block")]
    looked: list[Location] = []

    def is_empty(observation: object, place: Location) -> bool:
        looked.append(place)
        return bool(np.allclose(place, at))

    monkeypatch.setattr(remembered, "is_empty", is_empty)
    assert "pink block" not in names(kept.update(without(full, "pink block"), LOOK))
    assert looked and "cyan block" in names(kept.update(without(full, "cyan block"), LOOK))


def test_what_fell_off_a_hidden_thing_does_not_rest_on_it(nothing_is_empty: None) -> None:
    kept, full = memory(2, *TOWER)
    fallen = without(full, "cyan block")
    xyz = fallen.xyz.copy()
    xyz[[fallen.name(i) for i in range(len(fallen))].index("red block")] += (0.05, 0.0, -0.04)
    found = kept.update(replace(fallen, xyz=xyz), LOOK)
    assert "cyan block" in names(found) and held_by(found, "red block") == "table"


def test_what_is_where_a_thing_was_and_looks_like_nothing_known_is_that_thing(nothing_is_empty: None) -> None:
    kept, full = memory(2, *TOWER)
    row = [full.name(i) for i in range(len(full))].index("cyan block")
    classes = full.class_probs.copy()
    classes[row] = np.eye(len(ENTITIES))[ENTITIES.index("green block")]
    found = kept.update(replace(full, class_probs=classes), LOOK)
    assert names(found) == names(full) and len(found) == len(full)
    assert held_by(found, "red block") == "cyan block"
