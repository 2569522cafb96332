"""What the simulated tabletop promises: pictures, poses, repeatability."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from robots.skills import COLOURS
from sim.data.scene_sampler import GAP, SceneDoesNotFit, layout
from sim.geometry.shapes import BOWL_INNER, EDGE, height, inner_outline, inside, outline, separation, width
from sim.rendering.camera import CAMERAS, FRONT, UnknownCamera, project
from sim.world.arm import SimulatedArm
from sim.world.scene import Placed, Scene, SceneFileError
from sim.world.scene_state import judge
from sim.world.state import ObjectSpec, SceneState
from sim.world.world import World

CLUTTER = SceneState(
    (
        ObjectSpec("blue", "bowl", "large"),
        ObjectSpec("red", "bowl", "small"),
        ObjectSpec("red", "block", "small"),
        ObjectSpec("green", "block", "large"),
        ObjectSpec("yellow", "cylinder", "large"),
        ObjectSpec("pink", "block", "small"),
        ObjectSpec("cyan", "block", "large"),
        ObjectSpec("purple", "cylinder", "small"),
    ),
    (None, None, 0, None, 3, None, 5, 1),
)


@pytest.fixture(scope="module")
def world():
    world = World()
    yield world
    world.close()


def clutter(seed: int) -> Scene:
    return layout(CLUTTER, np.random.default_rng(seed))


def played(world: World, scene: Scene) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    world.load(scene)
    world.set_pose(2, (0.5, 0.0, 0.2), (0.1, 0.2, 0.3, 0.927))  # something falls and bounces
    world.step(90)
    positions, quats = world.poses()
    return positions, quats, world.render("front").depth


def test_same_scene_gives_the_same_result_bit_for_bit_whatever_ran_before(world):
    scene = clutter(1)
    first = played(world, scene)
    played(world, clutter(2))
    world.place(clutter(3))
    world.render("front")
    again = played(world, scene)
    other = World()
    fresh = played(other, scene)
    other.close()
    for a, b, c in zip(first, again, fresh, strict=True):
        assert np.array_equal(a, b) and np.array_equal(a, c)


@pytest.mark.parametrize("seed", range(8))
def test_a_scene_is_at_rest_as_it_was_laid_out(world, seed):
    scene = clutter(seed)
    world.load(scene)
    before, _ = world.poses()
    world.step(120)
    after, _ = world.poses()
    assert np.abs(after - before).max() < 0.003
    assert judge(world) == scene.state


def test_a_tower_of_four_stands(world):
    for sizes in (("small",) * 4, ("large",) * 4, ("large", "small", "large", "small")):
        specs = tuple(ObjectSpec(c, "block", s) for c, s in zip(COLOURS, sizes, strict=False))
        scene = layout(SceneState(specs, (None, 0, 1, 2)), np.random.default_rng(3))
        world.load(scene)
        before, _ = world.poses()
        world.step(600)
        after, _ = world.poses()
        assert np.abs(after - before).max() < 0.005
        assert judge(world).holder == (None, 0, 1, 2)


@pytest.mark.parametrize("seed", range(8))
def test_layout_keeps_gaps_and_rests_things_where_the_state_says(seed):
    scene = clutter(seed)
    shapes = [outline(o.spec, np.array(o.position[:2]), o.yaw) for o in scene.objects]
    standing = [i for i, h in enumerate(scene.holder) if h is None]
    for a in standing:
        for b in standing:
            assert a == b or separation(shapes[a], shapes[b]) >= GAP - 1e-9
    for i, h in enumerate(scene.holder):
        if h is not None and scene.objects[h].spec.kind == "bowl":
            bowl = scene.objects[h]
            assert inside(shapes[i], inner_outline(bowl.spec, np.array(bowl.position[:2]), bowl.yaw)) > 0


def test_clutter_is_often_close_to_the_least_gap():
    gaps = []
    for seed in range(10):
        scene = clutter(seed)
        shapes = [
            outline(o.spec, np.array(o.position[:2]), o.yaw)
            for o, h in zip(scene.objects, scene.holder, strict=True)
            if h is None
        ]
        gaps += [min(separation(a, b) for b in shapes if b is not a) for a in shapes]
    assert np.mean(np.array(gaps) < 0.02) > 0.3


def test_layout_says_so_when_there_is_no_room():
    specs = tuple(ObjectSpec(c, "bowl", "large") for c in COLOURS) * 3
    with pytest.raises(SceneDoesNotFit, match="no room for red bowl"):
        layout(SceneState(specs, (None,) * len(specs)), np.random.default_rng(0), tries=2)
    with pytest.raises(SceneDoesNotFit, match="ring"):
        two = (ObjectSpec("red", "block"), ObjectSpec("blue", "block"))
        layout(SceneState(two, (1, 0)), np.random.default_rng(0))


def test_same_generator_gives_the_same_scene():
    assert clutter(5) == clutter(5)
    assert clutter(5) != clutter(6)


def test_the_whole_table_and_a_tower_stay_in_the_front_picture_at_any_jitter(world):
    w, h = FRONT.size
    ends = ((0.30, 0.0), (0.26, 0.17))  # y, z: the table's, and a tower's
    corners = np.array([(x, side * y, z) for x in (0.33, 0.67) for side in (-1, 1) for y, z in ends])
    rng = np.random.default_rng(0)
    for _ in range(50):
        scene = layout(SceneState((ObjectSpec("red", "block"),), (None,)), rng)
        world.place(scene)
        frame = world.render("front", depth=False)
        pixels, _ = project(corners, frame.intrinsics, frame.base_from_camera)
        assert (pixels > 0).all() and (pixels < (w - 1, h - 1)).all()


@pytest.mark.parametrize("size", [(240, 176), (97, 64), (320, 240)])
def test_calibration_predicts_where_things_are_seen(world, size):
    scene = Scene(
        (Placed(ObjectSpec("red", "bowl"), (0.5, 0.1, 0.015), 0.3),),
        (None,),
        camera_shift=(0.01, -0.01, 0.01),
        camera_turn=(0.01, 0.02, -0.01),
    )
    world.place(scene)
    frame, mask = world.masks("front", size)
    ring = outline(scene.objects[0].spec, np.array((0.5, 0.1)), 0.3)
    points = np.array([(*p, z) for p in ring for z in (0.0, 0.03)])
    pixels, _ = project(points, frame.intrinsics, frame.base_from_camera)
    rows, columns = np.nonzero(mask == 0)
    for seen, told in ((columns, pixels[:, 0]), (rows, pixels[:, 1])):
        assert abs(seen.min() - told.min()) < 1.3 and abs(seen.max() - told.max()) < 1.3


@pytest.mark.parametrize("name", sorted(CAMERAS))
def test_depth_lifts_pixels_to_where_things_are(world, name):
    spec = ObjectSpec("red", "block", "large")
    world.place(Scene((Placed(spec, (0.5, 0.0, 0.021), 0.0),), (None,)))
    ee = world.base_from_ee()[:3, 3]
    if name == "wrist":  # under the hand's camera
        world.place(Scene((Placed(spec, (ee[0] + 0.05, ee[1], 0.021), 0.0),), (None,)))
    frame, mask = world.masks(name)
    rows, columns = np.nonzero(mask == 0)
    assert len(rows) > 30
    k, pose = frame.intrinsics, frame.base_from_camera
    d = frame.depth[rows, columns]
    local = np.stack([(columns - k[0, 2]) / k[0, 0] * d, (rows - k[1, 2]) / k[1, 1] * d, d], -1)
    points = local @ pose[:3, :3].T + pose[:3, 3]
    assert abs(np.percentile(points[:, 2], 90) - 0.042) < 0.004
    table = points_at(frame, 0 if name == "wrist" else -1)  # computed: it must agree with what is drawn
    assert abs(np.median(table[:, 2])) < 0.003


def points_at(frame, row: int) -> np.ndarray:
    k, d = frame.intrinsics, frame.depth[row]
    columns, row = np.arange(len(d)), row % len(frame.depth)
    local = np.stack([(columns - k[0, 2]) / k[0, 0] * d, (row - k[1, 2]) / k[1, 1] * d, d], -1)
    return local @ frame.base_from_camera[:3, :3].T + frame.base_from_camera[:3, 3]


def test_colours_stay_apart_under_jitter_and_light(world):
    """The nearest nominal hue and saturation of what is seen names the colour that was meant."""
    import cv2

    specs = tuple(ObjectSpec(c, "block", "large") for c in COLOURS)
    seen = {c: [] for c in COLOURS}
    for seed in range(12):
        scene = layout(SceneState(specs, (None,) * 8), np.random.default_rng(seed))
        world.place(scene)
        world.set_arm((2.5, -0.55, 0.0, -2.4, 0.0, 1.9, 0.78), 1.0)
        frame, mask = world.masks("front")
        hsv = cv2.cvtColor(frame.rgb.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
        for i, c in enumerate(COLOURS):
            if (mask == i).sum() > 20:
                h, s, _ = np.median(hsv[mask == i], axis=0)
                seen[c].append((s * np.cos(np.radians(h)), s * np.sin(np.radians(h))))
    middles = {c: np.mean(v, axis=0) for c, v in seen.items()}
    wrong = [
        c for c, v in seen.items() for point in v
        if min(middles, key=lambda k, p=point: np.linalg.norm(middles[k] - p)) != c
    ]  # fmt: skip
    assert not wrong


def test_place_shows_the_same_picture_as_load(world):
    scene = clutter(4)
    world.load(scene)
    loaded = world.render("front").rgb
    world.place(clutter(5))
    world.place(scene)
    world.set_arm(world.spec.q_home, 1.0)
    assert np.array_equal(world.render("front").rgb, loaded)


def test_a_scene_survives_yaml_exactly():
    scene = clutter(7)
    assert Scene.from_yaml(scene.to_yaml()) == scene


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("objects: [{colour: red, kind: block, position: [0.5, 0, 0.017]}]\nlamp: 1", "unknown key 'lamp'"),
        ("objects: [{colour: red, kind: block}]", "'position' is missing"),
        ("objects: [{colour: mauve, kind: block, position: [0.5, 0, 0.017]}]", "'mauve' is none of"),
        ("objects: [{colour: red, kind: block, position: [.nan, 0, 0.017]}]", "not finite"),
        ("just words", "expected a mapping"),
    ],
)
def test_a_bad_scene_file_says_what_is_wrong(text, says):
    with pytest.raises(SceneFileError, match=says):
        Scene.from_yaml(text)


def test_judge_sees_moves(world):
    world.load(clutter(9))
    bowl = world.poses()[0][1]
    world.set_pose(3, (0.5, 0.0, 0.30), (0, 0, 0, 1))  # up in the air: rests in nothing
    assert judge(world).holder[3] is None
    assert judge(world).holder[4] is None  # what lay on it does no longer
    world.set_pose(7, (0.5, 0.29, EDGE["small"] / 2), (0, 0, 0, 1))
    world.set_pose(5, bowl + (0, 0, 0.01), (0, 0, 0, 1))
    assert judge(world).holder[5] == 1


def test_shapes_agree_with_their_names():
    assert height(ObjectSpec("red", "block", "large")) == EDGE["large"]
    assert width(ObjectSpec("red", "bowl", "small")) > BOWL_INNER["small"]
    square = outline(ObjectSpec("red", "block", "small"), np.zeros(2), 0.0)
    assert separation(square, square + (0.05, 0.0)) == pytest.approx(0.016)
    assert separation(square, square + (0.01, 0.0)) < 0


def test_importing_the_world_does_not_open_pybullet():
    modules = "sim.world.world, sim.data.scene_sampler, sim.world.scene_state"
    code = f"import sys, {modules}; print('pybullet' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.parametrize("name", ["back", "", "Front", None, 0, ["front"], b"front", {}])
def test_a_camera_that_does_not_exist_is_refused_with_those_there_are(world, name):
    world.place(clutter(0))
    for look in (lambda: world.render(name), lambda: world.masks(name), lambda: SimulatedArm(world, (name,))):
        with pytest.raises(UnknownCamera, match=r"no camera .*'front', 'wrist'"):
            look()


@pytest.mark.parametrize("name", ["front", "wrist", "", FRONT])
def test_one_camera_in_place_of_a_sequence_is_refused(world, name):
    with pytest.raises(UnknownCamera, match="must be a sequence of names"):
        SimulatedArm(world, name)
    if isinstance(name, str):
        with pytest.raises(UnknownCamera, match="must be a sequence of names"):
            SimulatedArm(world).observe(name)


@pytest.mark.parametrize(
    "size",
    [
        (0, 8),
        (8, 0),
        (-1, 8),
        (8, 4097),
        (8,),
        (8, 8, 3),
        8,
        8.0,
        "8x8",
        (8.0, 8),
        (None, 8),
        [],
        {},
        (1e9, 1),
    ],
)
def test_a_size_of_no_picture_is_refused(world, size):
    world.place(clutter(0))
    for look in (lambda: world.render("front", size), lambda: world.masks("front", size),
                 lambda: SimulatedArm(world, image_size=size)):  # fmt: skip
        with pytest.raises(ValueError, match=r"must be \(width, height\), whole numbers in \[1, 4096\] px"):
            look()
