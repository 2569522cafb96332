"""Appearances: new textures and shapes stand in scenes, are drawn, and leave physics as it was."""

from dataclasses import replace

import numpy as np
import pytest

from robots.skills import COLOURS
from sim.appearances.registry import (
    APPEARANCES,
    COMBINATIONS,
    SHAPES,
    TEXTURES,
    Appearance,
    UnknownAppearance,
    appearance_named,
    is_held_out,
)
from sim.appearances.shapes import mesh, triangles
from sim.appearances.textures import tile
from sim.geometry.shapes import height, width
from sim.rendering.camera import Camera
from sim.world.scene import Placed, Scene, SceneFileError
from sim.world.state import SIZES, ObjectSpec
from sim.world.world import World

CLOSE = Camera("close", (0.62, 0.0, 0.14), (0.5, 0.0, 0.017), hfov_deg=30.0, size=(64, 64))


def scene_of(look: str, colour: str = "red") -> Scene:
    kind = appearance_named(look).kind if look else "block"
    spec = ObjectSpec(colour, kind, "small", look)
    return Scene((Placed(spec, (0.5, 0.0, height(spec) / 2), 0.4),), (None,))


def picture(world: World, scene: Scene) -> np.ndarray:
    world.place(scene)
    return world.render(CLOSE).rgb.astype(int)


def test_there_are_at_least_sixty_new_appearances_each_found_by_its_name() -> None:
    assert len(APPEARANCES) >= 60
    for name, look in APPEARANCES.items():
        assert appearance_named(name) == look


def test_an_unknown_shape_or_texture_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownAppearance, match="furry.*striped"):
        Appearance("duck", "furry")
    with pytest.raises(UnknownAppearance, match="goose.*duck"):
        appearance_named("striped goose")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", SIZES)
def test_a_shape_fits_the_box_of_its_kind_and_is_light(shape: str, size: str) -> None:
    spec = ObjectSpec("red", SHAPES[shape], size)
    t = triangles(shape, size)
    assert len(t) <= 800
    half = np.array([width(spec), width(spec), height(spec)]) / 2
    reach = np.abs(t.reshape(-1, 3)).max(0)
    assert (reach <= half * 1.09).all()  # an octagon's corners reach past its flats
    assert reach[2] == pytest.approx(half[2])
    vertices, indices, normals, uv = mesh(shape, size)
    assert vertices.shape == normals.shape == (3 * len(t), 3)
    assert uv.shape == (3 * len(t), 2)
    assert uv.min() > 0
    assert np.isfinite(normals).all()
    assert len(indices) == 3 * len(t)


def test_every_texture_is_drawn_unlike_every_other_and_after_a_rebuild_too() -> None:
    world = World(robot=False)
    pictures = []
    for texture in TEXTURES:
        look = Appearance("block", texture)
        scene = scene_of(look.name if look.is_new else "")
        first = picture(world, scene)
        world.load(scene)
        assert np.array_equal(world.render(CLOSE).rgb, first)
        pictures.append(first)
    for i, a in enumerate(pictures):
        for b in pictures[:i]:
            assert np.abs(a - b).max(-1).mean() > 4
    world.close()


def test_a_body_that_is_shown_again_takes_the_colour_of_its_scene() -> None:
    world = World(robot=False)
    red = picture(world, scene_of("striped duck", "red"))
    blue = picture(world, scene_of("striped duck", "blue"))
    assert np.abs(red - blue).max() > 80
    assert np.array_equal(picture(world, scene_of("striped duck", "red")), red)
    world.close()


def test_a_new_appearance_collides_as_its_kind_does() -> None:
    world = World(robot=False)
    boxes = []
    for look in ("", "wooden pyramid", "shiny teddy"):
        world.load(scene_of(look))
        boxes.append(world.p.getAABB(world.body_ids[0], physicsClientId=world.client))
        world.step(60)
        assert world.poses()[0][0, 2] == pytest.approx(0.017, abs=1e-3)
    assert boxes[0] == boxes[1] == boxes[2]
    world.close()


def test_a_scene_file_keeps_looks_and_refuses_one_of_another_kind() -> None:
    scene = scene_of("dotted mug")
    assert Scene.from_yaml(scene.to_yaml()) == scene
    assert "look" not in scene_of("").to_yaml()
    with pytest.raises(SceneFileError, match="dotted mug.*cylinder"):
        Scene.from_yaml(scene.to_yaml().replace("kind: cylinder", "kind: block"))
    with pytest.raises(SceneFileError, match="dotted goose"):
        Scene.from_yaml(scene.to_yaml().replace("dotted mug", "dotted goose"))
    assert replace(scene.objects[0].spec, look="").name == "red cylinder"


def test_held_out_combinations_leave_every_colour_shape_and_texture_in_training() -> None:
    out = [c for c in COMBINATIONS if is_held_out(*c)]
    kept = [c for c in COMBINATIONS if not is_held_out(*c)]
    assert 0.1 < len(out) / len(COMBINATIONS) < 0.2
    for part in (out, kept):
        assert {colour for colour, _ in part} == set(COLOURS)
        assert {look.shape for _, look in part} == set(SHAPES)
    assert {look.texture for _, look in kept} == set(TEXTURES)
    pairs = {(look.shape, look.texture) for _, look in kept}
    assert pairs == {(s, t) for s in SHAPES for t in TEXTURES}


@pytest.mark.parametrize("texture", TEXTURES[1:])
def test_a_tile_differs_by_colour(texture: str) -> None:
    assert not np.array_equal(tile(texture, "red"), tile(texture, "green"))
