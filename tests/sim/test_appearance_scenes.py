"""Scenes and views of new appearances: as asked for, within reach of what labels say, the same by seed."""

import itertools

import numpy as np

from sim.appearances.registry import is_held_out
from sim.data.appearance_scenes import draw_scene, draw_state, spec_of
from sim.data.appearance_views import ITEMS, held_out_combinations, training_combinations, views
from sim.rendering.camera import project


def test_states_hold_what_was_asked_for_and_nothing_twice() -> None:
    rng = np.random.default_rng(0)
    combinations = held_out_combinations()
    names = {spec_of(c).look for c in combinations}
    for _ in range(60):
        state = draw_state(rng, combinations)
        assert {o.look for o in state.objects} <= names
        assert len({(o.colour, o.kind, o.look) for o in state.objects}) == len(state.objects)
        for i, h in enumerate(state.holder):
            assert h is None or state.objects[h].kind == "bowl" or state.objects[h].look.endswith("block")
            assert h is None or state.objects[i].kind != "bowl"


def test_training_and_questions_share_no_combination() -> None:
    kept, out = training_combinations(), held_out_combinations()
    assert not set(kept) & set(out)
    assert len(out) > 100
    assert not any(is_held_out(*c) for c in kept)


def test_scenes_are_the_same_by_seed_and_take_their_settings() -> None:
    drawn = [
        draw_scene(
            np.random.default_rng(5), training_combinations(), bowls=(1, 1), solids=(2, 2), in_bowl=0.0
        )
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]
    assert sum(o.spec.kind == "bowl" for o in drawn[0].objects) == 1
    assert len(drawn[0].objects) == 3


def test_views_point_at_what_they_name() -> None:
    rng = np.random.default_rng(3)
    for frame, things in itertools.islice(views(rng, training_combinations(), arm=0.0), 2):
        assert things
        h, w = frame.rgb.shape[:2]
        for thing in things:
            assert 1 <= len(thing.items) <= ITEMS
            assert len(thing.relations) == len(thing.items) - 1
            pixel, depth = project(thing.point, frame.intrinsics, frame.base_from_camera)
            assert 0 < pixel[0, 0] < w
            assert 0 < pixel[0, 1] < h
            assert depth[0] > 0.5
            assert thing.pile or thing.items[0].kind != "bowl"
