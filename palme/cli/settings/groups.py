"""Groups of settings that several commands share: the arm, its cameras, a person's part, a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from palme.cli.errors import UsageError
from palme.cli.settings.fields import Count, Decoded, Port, Positive, Seed, Whole
from palme.cli.settings.typed_text import plain
from palme.file_names import FileName
from robots.errors import SpecError
from robots.spec import ArmSpec
from robots.teleop.limits import TeleopLimits

BRIDGE = "bridge"  # robot=bridge: the description of the arm comes over the wire


@dataclass(frozen=True, kw_only=True)
class RobotConfig(Decoded):
    """The arm (configs/robot/).

    Attributes:
        name: of the arm, or `BRIDGE`.
        spec: None = the arm at the other end of the bridge describes itself.
        description: as in the YAML file; a recording keeps it, so that it can be replayed.
    """

    name: str
    spec: ArmSpec | None
    description: Mapping[str, Any]

    @classmethod
    def decode(cls, raw: Any, path: str) -> Self:
        """Raises UsageError that names the entry."""
        raw = plain(raw)
        if raw == {"name": BRIDGE}:
            return cls(name=BRIDGE, spec=None, description=raw)
        try:
            spec = ArmSpec.from_dict(raw)
        except SpecError as error:
            raise UsageError(f"{path}: {error}") from error
        return cls(name=spec.name, spec=spec, description=raw)

    @property
    def is_remote(self) -> bool:
        """Whether the arm is at the other end of the bridge."""
        return self.spec is None

    @property
    def local(self) -> ArmSpec:
        """Raises UsageError for an arm at the other end of the bridge."""
        if self.spec is None:
            raise UsageError("robot=bridge: this needs an arm in this process; name one, such as robot=panda")
        return self.spec


Size = tuple[Count, Count]  # width, height in [px]


@dataclass(frozen=True, kw_only=True)
class KnockConfig:
    """A camera that moved after its calibration; its frames still report the calibrated pose.

    Attributes:
        camera: its name.
        shift_mm: [mm] distance it moved.
        turn_deg: [deg] angle it turned.
        seed: draws the directions: one installation.
    """

    camera: str
    shift_mm: float
    turn_deg: float
    seed: Seed


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """The cameras of the simulated arm (configs/camera/).

    Attributes:
        names: of the cameras that are rendered.
        front_size, wrist_size: width and height in [px]; null = the camera's own.
        knock: null = every camera is where it was calibrated.
    """

    names: tuple[str, ...]
    front_size: Size | None = None
    wrist_size: Size | None = None
    knock: KnockConfig | None = None

    def size_of(self, name: str) -> tuple[int, int] | None:
        """(width, height) in [px], None = the camera's own."""
        return {"front": self.front_size, "wrist": self.wrist_size}.get(name)


@dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """The object detector that planner and policy share (configs/detector/).

    Attributes:
        camera: whose pictures it reads.
        weights: a file; null = the shipped one.
    """

    camera: str
    weights: Path | None


@dataclass(frozen=True, kw_only=True)
class BridgeConfig:
    """How to reach an arm that another process serves (configs/bridge/).

    Attributes:
        address: of `palme serve robot=... backend=...`.
        keys: folder of the keys; "" = $PALME_KEYS, or .palme/keys in the home directory.
        key: name of this computer's own key in that folder: `palme keys new name=me`.
        server: name of the key that the server must have.
        human: true takes the arm over from a policy; the key must be allowed as human.
        timeout: [s] limit for every answer.
        pictures: raw is exact, jpeg takes a tenth of the bytes and rounds depth to millimetres.
        table: true where the far end is our own simulator, served with table=true: scenes and truth for eval.
    """

    address: str
    keys: FileName
    key: str
    server: str
    human: bool
    timeout: Positive
    pictures: Literal["raw", "jpeg"]
    table: bool


@dataclass(frozen=True, kw_only=True)
class SceneConfig:
    """What stands on the simulated table.

    Attributes:
        scene: YAML file of a scene, as an earlier run wrote it; null = drawn from `seed`.
        seed: of every random draw.
        distractors: number of objects that the sentence does not name; fewer if the table is full.
    """

    scene: Path | None
    seed: Seed
    distractors: Whole


@dataclass(frozen=True, kw_only=True)
class OperatorConfig:
    """A person's part: the console and the limits of motion by hand.

    Attributes:
        hand: limits of motion by hand (configs/hand/).
        console: true opens a page in the browser to watch, stop, take over and correct; the arm then moves in
            real time.
        console_host: address that the page is served at.
        console_port: 0 = any free one.
        console_beyond_loopback: true allows a console_host that other computers can reach.
        console_token: secret in the page's address; null = a new one is drawn.
    """

    hand: TeleopLimits
    console: bool
    console_host: str
    console_port: Port
    console_beyond_loopback: bool = False
    console_token: str | None


@dataclass(frozen=True, kw_only=True)
class RecordConfig:
    """A recording.

    Attributes:
        record: a LeRobotDataset v3.0 that episodes are added to, created if missing; "" = none.
        codec: of its videos.
    """

    record: FileName
    codec: Literal["h264", "av1"]
