"""Sources of senses: what sensors measure follows from the simulated physics, and the seed decides."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from robots.senses import Mesh
from sim.sensing import SOURCES
from sim.sensing.base import Sensed, Source, open_source
from sim.sensing.cabinet import OPEN, assembly_of
from sim.sensing.contact_sound import SAMPLE_HZ, Contact, synthesise
from sim.sensing.materials import MATERIALS
from sim.sensing.pushed_thing import way_of
from sim.sensing.solids import KINDS, Solid, mesh_of, signed_distance
from sim.sensing.two_solids import REGION, points_of

SEEDS = range(6)


@pytest.fixture(scope="module")
def sources() -> Iterator[dict[str, Source]]:
    opened = {name: open_source(name) for name in SOURCES}
    yield opened
    for source in opened.values():
        source.close()


@pytest.fixture(scope="module")
def drawn(sources) -> dict[str, list[Sensed]]:
    return {name: [s.draw(np.random.default_rng(k)) for k in SEEDS] for name, s in sources.items()}


def numbers(sensed: Sensed) -> list[np.ndarray]:
    """Every array of an event's observations."""
    found: list[np.ndarray] = []
    pending = list(sensed.observations.values())
    while pending:
        value = pending.pop()
        if isinstance(value, np.ndarray):
            found.append(value)
        elif isinstance(value, tuple):
            pending += value
        elif hasattr(value, "__dataclass_fields__"):
            pending += [getattr(value, name) for name in value.__dataclass_fields__]
    return found


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_seed_gives_an_event_and_another_seed_another(name, sources, drawn):
    again = sources[name].draw(np.random.default_rng(2))
    same, other = drawn[name][2], drawn[name][3]
    assert again.truth == same.truth
    for a, b in zip(numbers(again), numbers(same), strict=True):
        # an arm that is put somewhere keeps something of the last event in PyBullet's solver: less than noise
        atol = 0.05 if name == "lift" else 1e-4
        np.testing.assert_allclose(a.astype(float), b.astype(float), atol=atol)
    assert any(
        a.shape != b.shape or (a != b).any() for a, b in zip(numbers(same), numbers(other), strict=False)
    )


def test_an_unknown_source_is_refused_by_name():
    with pytest.raises(ValueError, match="'smell'; there are sound, solids"):
        open_source("smell")


# -- sound ------------------------------------------------------------------------------------------


def ring(material: str, edge: float = 0.05) -> np.ndarray:
    """The sound of one stroke on a thing's corner."""
    strokes = [Contact(0.1, 0.05, (0.0, 0.0), 0.0, 0.0)]
    return synthesise(strokes, MATERIALS[material], edge, np.random.default_rng(0))


def pitch(samples: np.ndarray, above: float = 0.0) -> float:
    """[Hz] below which half of the energy lies, of what is `above` a frequency in [Hz]."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    power[: int(above * len(samples) / SAMPLE_HZ)] = 0
    return float(np.searchsorted(np.cumsum(power), power.sum() / 2) / len(samples) * SAMPLE_HZ)


def length(samples: np.ndarray) -> float:
    """[s] after which nine tenths of the energy are over."""
    energy = np.cumsum(samples.astype(float) ** 2)
    begin = int(np.argmax(np.abs(samples) > 0.1))
    return float((np.searchsorted(energy, 0.9 * energy[-1]) - begin) / SAMPLE_HZ)


def test_metal_rings_longer_than_wood_and_higher_than_rubber():
    assert length(ring("metal")) > 5 * length(ring("wood"))
    assert pitch(ring("metal")) > 5 * pitch(ring("rubber"))


def test_a_smaller_thing_of_the_same_material_sounds_higher():
    for material in ("metal", "glass", "wood"):
        small, large = (pitch(ring(material, edge), above=450) for edge in (0.04, 0.065))  # not the table's
        assert small > 1.3 * large


def test_a_clip_is_silent_but_for_noise_before_the_first_contact(drawn):
    for event in drawn["sound"]:
        clip = event.observations["microphone"]
        assert np.abs(clip.samples[:60]).max() < 0.05 < np.abs(clip.samples).max()


# -- things in space --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_mesh_and_signed_distance_describe_the_same_solid(kind):
    solid = Solid(kind, 0.05, 0.05 if kind == "ball" else 0.08)
    mesh, rng = mesh_of(solid), np.random.default_rng(0)
    corners = np.abs(signed_distance(solid, mesh.vertices))
    assert corners.max() < 1e-6
    middles = mesh.vertices[mesh.faces].mean(1)
    # a polygon lies within the circle around it
    assert -0.005 < signed_distance(solid, middles).min() and signed_distance(solid, middles).max() < 1e-6
    points = rng.uniform(-0.06, 0.06, (2000, 3))
    step = rng.normal(0, 1e-3, (2000, 3))
    change = signed_distance(solid, points + step) - signed_distance(solid, points)
    assert (np.abs(change) <= np.linalg.norm(step, axis=1) + 1e-9).all()
    inside = signed_distance(solid, points) < 0
    share = inside.mean() * 0.12**3
    assert share == pytest.approx(volume(mesh), rel=0.25)


def volume(mesh: Mesh) -> float:
    """[m3] by the divergence theorem: positive where normals point outward."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float((np.cross(a, b) * c).sum() / 6)


def test_cloud_voxels_and_mesh_are_of_the_same_two_solids(drawn):
    for event in drawn["solids"]:
        o, truth = event.observations, event.truth
        left, right = (o["mesh"].vertices[o["mesh"].vertices[:, 1] * sign > 0] for sign in (1, -1))
        higher = "left" if left[:, 2].max() > right[:, 2].max() else "right"
        assert truth["taller"] == higher
        cloud = o["points"].xyz
        assert (cloud >= np.array(REGION[0]) - 1e-6).all() and (cloud <= np.array(REGION[1]) + 1e-6).all()
        cells = np.argwhere(o["voxels"].occupied) * o["voxels"].edge + o["voxels"].origin
        near = np.linalg.norm(cells[:, None] - points_of(o["depth"])[None], axis=-1).min(1)
        assert near.max() <= o["voxels"].edge * math.sqrt(3) + 1e-6
        tops = [cloud[cloud[:, 1] * sign > 0][:, 2].max() for sign in (1, -1)]
        assert truth["taller"] == ("left" if tops[0] > tops[1] else "right")


def test_the_hidden_thing_is_in_no_front_picture_and_slots_do_not_overlap(drawn):
    for event in drawn["hidden"]:
        front, *others = event.observations["cameras"].frames
        slots = event.observations["slots"]
        assert slots.masks.sum(0).max() <= 1
        assert len(others) == 2 and slots.frame is front
        for k in range(1, len(slots) + 1):
            rgb = front.rgb[slots.masks[k - 1]].astype(float).mean(0)
            brightest = {"red": (0,), "green": (1,), "blue": (2,), "yellow": (0, 1)}[
                event.truth[f"colour:{k}"]
            ]
            assert int(rgb.argmax()) in brightest


# -- what moves -------------------------------------------------------------------------------------


def test_the_way_of_a_push_is_that_of_the_motion_seen_from_the_arm():
    assert way_of(np.array([0.1, 0.0])) == "away" and way_of(np.array([-0.1, 0.02])) == "nearer"
    assert way_of(np.array([0.02, 0.1])) == "left" and way_of(np.array([0.0, -0.1])) == "right"
    assert way_of(np.array([0.001, 0.0])) is None and way_of(np.array([0.1, 0.1])) is None


def test_only_the_pushed_thing_moves_in_the_film(drawn):
    for event in drawn["push"]:
        frames = event.observations["film"].frames.astype(int)
        changed = np.abs(frames[-1] - frames[0]).sum(-1) > 60
        assert 4 < changed.sum() < 0.3 * changed.size


def test_the_open_drawer_is_the_one_whose_joint_moved(drawn):
    for event in drawn["cabinet"]:
        sliding = [part for part in event.observations["joints"].parts if part.joint == "slide"]
        by_height = sorted(sliding, key=lambda part: part.base_from_part[2, 3])
        out = dict(zip(("bottom", "middle", "top"), by_height, strict=True))
        opened = [name for name, part in out.items() if part.value > OPEN]
        assert opened == ([] if event.truth["open"] == "none" else [event.truth["open"]])
        assert all(part.lower <= part.value <= part.upper + 0.001 for part in sliding)


def test_an_arm_is_an_assembly_too(sources):
    world = sources["lift"].world
    arm = assembly_of(world.p, world.client, world.arm.body)
    hinges = [part for part in arm.parts if part.joint == "hinge"]
    assert len(hinges) == 7 and all(part.lower < part.value < part.upper for part in hinges)


def test_the_wrist_feels_the_weight_of_what_is_held(drawn, sources):
    more = [sources["lift"].draw(np.random.default_rng(k)) for k in range(20, 32)]
    down = {"nothing": [], "light": [], "heavy": []}
    for event in [*drawn["lift"], *more]:
        down[event.truth["held"]].append(event.observations["wrist"].wrench[:, 2].mean())
    assert all(down.values())
    assert min(down["nothing"]) > max(down["light"]) and min(down["light"]) > max(down["heavy"])
    weight = np.mean(down["nothing"]) - np.mean(down["heavy"])
    assert 0.18 * 9.0 < weight < 0.25 * 10.5
