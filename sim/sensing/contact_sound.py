"""The sound of a thing that falls on the table or slides over it, made from the simulator's contacts.

Modal synthesis (van den Doel and Pai 1998): each contact impulse of the physics strikes the thing; it rings
in the modes of its thin wall, which follow from size and material, and each mode dies away by the material's
damping. Hertz's law gives how long a contact lasts, so how bright the stroke is. Sliding excites the same
modes by noise that grows with friction and speed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.types import Array, AudioClip
from sim.sensing.base import Sensed
from sim.sensing.materials import MATERIALS, TABLE, Material
from sim.sensing.stage import Stage, StageSource

SAMPLE_HZ = 16_000
SECONDS = 0.4
PHYSICS_HZ = 480.0
WALL = 0.0012  # [m] thickness of the hollow things that are dropped
ASPERITY = 0.0002  # [m] between the bumps of the table's surface
TIP = 0.005  # [m] radius of what touches the table, for Hertz's law
HEARD = 0.48  # share of the sampling rate up to which a mode is heard
# [Hz], [1/s] of the table top, for any stroke
TABLE_MODES = np.array([(140.0, 55.0), (235.0, 80.0), (410.0, 120.0)])
TABLE_MASS, TABLE_SHARE = 0.05, 0.15  # [kg] that a stroke moves, share of its sound that is heard
RUB = 2e-4  # [N] of rubbing noise for 1 W of friction, squared
GRAVITY = 9.81


@dataclass(frozen=True)
class Contact:
    """One step's contact.

    Attributes:
        time: [s].
        impulse: normal, in [N s], beyond what the thing's weight gives at rest.
        place: (2,) where on the wall, each in [0, 1].
        slip: friction force times slip speed in [W].
        speed: of slip in [m/s].
    """

    time: float
    impulse: float
    place: tuple[float, float]
    slip: float
    speed: float


class ContactSound(StageSource):
    """Things of random material, size and shape that fall or slide; facts `material` and `event`."""

    hz = PHYSICS_HZ

    def draw(self, rng: np.random.Generator) -> Sensed:
        """A clip of 0.4 s that begins up to 60 ms before the first contact."""
        material = MATERIALS[str(rng.choice(list(MATERIALS)))]
        event = str(rng.choice(["fell", "slid"], p=[0.7, 0.3]))
        while True:
            edge = float(rng.uniform(0.04, 0.07))
            contacts = self._happen(material, edge, event, rng)
            if contacts:
                break
        samples = synthesise(contacts, material, edge, rng)
        truth = {"material": material.name, "event": event}
        return Sensed({"microphone": AudioClip(samples, SAMPLE_HZ)}, truth)

    def _happen(self, material: Material, edge: float, event: str, rng: np.random.Generator) -> list[Contact]:
        """Simulate one thing until the clip is over."""
        stage = self.stage
        stage.reset()
        shape = str(rng.choice(["box", "cylinder", "sphere"])) if event == "fell" else "box"
        mass = 6 * edge**2 * WALL * material.density
        size = {"box": (edge, edge, edge), "cylinder": (edge / 2, edge)}.get(shape, (edge / 2,))
        body = stage.add(shape, size, mass, material.friction, material.restitution)
        if event == "fell":  # it begins just above the table, as fast as it is there
            speed = math.sqrt(2 * GRAVITY * rng.uniform(0.05, 0.35))
            turn = rng.normal(size=4)
            stage.move(body, (0.0, 0.0, edge), (turn / np.linalg.norm(turn)).tolist())
            stage.push(body, (*rng.normal(0, 0.15, 2), -speed), rng.normal(0, 4.0, 3).tolist())
        else:
            way = rng.uniform(0, 2 * math.pi)
            speed = rng.uniform(0.7, 1.4)
            stage.move(body, (0.0, 0.0, edge / 2 + 0.0005), (0, 0, math.sin(way / 3), math.cos(way / 3)))
            stage.push(body, (speed * math.cos(way), speed * math.sin(way), 0.0), (0, 0, rng.normal(0, 1.0)))
        return contacts_of(stage, body, mass, material.friction, edge, SECONDS)


def contacts_of(
    stage: Stage, body: int, mass: float, friction: float, edge: float, seconds: float
) -> list[Contact]:
    """Step the physics until `seconds` after the first contact; what touched the table when, and how hard."""
    found: list[Contact] = []
    rest = 1.5 * mass * GRAVITY / stage.hz  # [N s] that lying there gives each step
    step, limit = 0, round(0.3 * stage.hz)
    while step < limit:
        stage.step()
        step += 1
        points = stage.contacts(body)
        if not points:
            continue
        if not found:
            limit = step + round(seconds * stage.hz)
        force = sum(point.force for point in points)
        hardest = max(points, key=lambda point: point.force)
        impulse, place = force / stage.hz - rest, (0.5, 0.5)
        if impulse > 0:
            x, y, _ = np.clip(stage.local(body, hardest.position) / edge + 0.5, 0, 1).tolist()
            place = (x, y)
        speed = stage.slip_speed(body, hardest.position)
        found.append(Contact(step / stage.hz, max(impulse, 0.0), place, friction * force * speed, speed))
    return found


def synthesise(
    contacts: list[Contact], material: Material, edge: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Sound of the contacts of a hollow thing: float32 (n_samples,) in [-1, 1], with a microphone's noise.

    The peak is drawn, as a microphone with a gain of its own gives it: loudness tells nothing.
    """
    n = round(SECONDS * SAMPLE_HZ)
    mass = 6 * edge**2 * WALL * material.density
    begin = contacts[0].time - rng.uniform(0.005, 0.06)
    modes, hz = _modes(material, edge)
    decay = (material.alpha + material.beta * (2 * math.pi * hz) ** 2) / 2
    rings = np.concatenate(
        [_rings(hz, decay, n) / mass, _rings(TABLE_MODES[:, 0], TABLE_MODES[:, 1], n) / TABLE_MASS]
    )  # (M, n)
    all_hz = np.concatenate([hz, TABLE_MODES[:, 0]])
    sound = np.zeros(n)
    for contact in contacts:
        k = int((contact.time - begin + rng.uniform(0, 1 / PHYSICS_HZ)) * SAMPLE_HZ)
        if contact.impulse > 0 and k < n:
            bulge = np.abs(np.cos(math.pi * modes * contact.place).prod(1))  # (M,) of a free plate's modes
            struck = np.concatenate([bulge, np.full(len(TABLE_MODES), TABLE_SHARE)])
            struck *= contact.impulse * _brightness(all_hz, contact.impulse, mass, material)
            sound[k:] += struck @ rings[:, : n - k]
    if any(c.slip > 0 for c in contacts):
        size = 2 * n  # room for the tails, so that the convolution does not wrap round
        rubbing = np.fft.rfft(_rubbing(contacts, begin, n, rng), size)
        sound += np.fft.irfft(rubbing * np.fft.rfft(rings[: len(hz)].sum(0), size), size)[:n]
    peak = float(np.abs(sound).max())
    if peak > 0:
        sound *= rng.uniform(0.25, 0.9) / peak
    sound += rng.normal(0, 10 ** rng.uniform(-3.5, -2.3), n)
    return np.clip(sound, -1, 1).astype(np.float32)


def _modes(material: Material, edge: float) -> tuple[Array, Array]:
    """Numbers (M, 2) and frequencies (M,) in [Hz] of the wall's modes that the microphone can hear."""
    modes = np.array([(m, n) for m in range(1, 6) for n in range(m, 6)])
    hz = math.pi / 2 * WALL / edge**2 * material.plate_speed * (modes**2).sum(1)
    heard = hz < HEARD * SAMPLE_HZ
    return modes[heard], hz[heard]


def _rings(hz: Array, decay: Array, n: int) -> Array:
    """(M, n): each mode's sound after a stroke of 1."""
    t = np.arange(n) / SAMPLE_HZ
    return np.sin(2 * math.pi * hz[:, None] * t) * np.exp(-decay[:, None] * t)


def _brightness(hz: Array, impulse: float, mass: float, material: Material) -> Array:
    """Share (M,) of a stroke that reaches each mode: the spectrum of half a sine as long as the contact.

    Hertz: the contact lasts 2.87 (m^2 / (R E*^2 v))^(1/5).
    """
    stiffness = 1 / (material.compliance + TABLE.compliance)  # [Pa]
    speed = max(impulse / mass, 0.01)
    lasts = 2.87 * (mass**2 / (TIP * stiffness**2 * speed)) ** 0.2  # [s]
    x = 2 * hz * lasts  # w T / pi
    near = np.abs(1 - x**2) < 1e-3
    return np.where(near, math.pi / 4, np.abs(np.cos(math.pi * x / 2) / np.where(near, 1.0, 1 - x**2)))


def _rubbing(contacts: list[Contact], begin: float, n: int, rng: np.random.Generator) -> Array:
    """Force of sliding at each sample (n,): noise as fast as bumps pass by, as strong as friction's power."""
    steps = np.clip([int((c.time - begin) * SAMPLE_HZ) for c in contacts], 0, n - 1)
    width = round(SAMPLE_HZ / PHYSICS_HZ)
    power = np.zeros(n)
    for k, contact in zip(steps, contacts, strict=True):
        power[k : k + width + 1] = contact.slip
    spectrum = np.fft.rfft(rng.normal(0, 1, n))
    cutoff = max(max(c.speed for c in contacts) / ASPERITY, 200.0)  # [Hz]
    spectrum /= 1 + (np.fft.rfftfreq(n, 1 / SAMPLE_HZ) / cutoff) ** 2
    return RUB * np.sqrt(power) * np.fft.irfft(spectrum, n)
