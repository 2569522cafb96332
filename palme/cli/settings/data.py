"""Settings of `palme collect`, `palme data`, `palme replay`, `palme view` and `palme why`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from palme.cli.errors import UsageError
from palme.cli.rig.planners import OracleConfig, PlannerConfig
from palme.cli.settings.fields import Count, Positive, Range, Seed, Share, Target, Whole
from palme.cli.settings.groups import BridgeConfig, RobotConfig
from palme.cli.settings.run import RigConfig
from palme.file_names import FileName
from robots.teleop.limits import TeleopLimits


@dataclass(frozen=True, kw_only=True)
class PractiseConfig(RigConfig):
    """Single steps by a policy, corrected by a simulated person.

    Attributes:
        planner: of the rig; the steps are given, so nothing plans.
        hand: limits of motion by hand (configs/hand/).
        corrected: number of corrected episodes; those that need no correction are kept too.
        codec: of the videos.
        seed: of the first scene.
    """

    planner: PlannerConfig = OracleConfig()
    hand: TeleopLimits
    corrected: Count
    codec: Literal["h264", "av1"]
    seed: Seed


@dataclass(frozen=True, kw_only=True)
class CollectConfig(PractiseConfig):
    """`palme collect`; the groups are of what=corrections.

    Attributes:
        what: labelled scenes for the detector, crops of all appearances for CLIP, demonstrations and
            corrected episodes for the chunk policy, or perceived objects for the planner.
        out: scenes go to OUT/scenes, appearances to OUT/appearances, demonstrations to OUT/demos, corrections
            to OUT/corrections.
        parts: folders of scenes or appearances; a finished one is kept, so an interrupted run resumes.
        pictures: number a part.
        perceived: scenes that the shipped detector looks at, arm at home.
        motions: demonstrations.
        workers: processes.
        dry_run: true prints what is missing and how long it takes, and makes nothing.
    """

    FILE: ClassVar[str] = "collect"
    what: Literal["scenes", "appearances", "demonstrations", "perceived", "corrections"]
    out: Path
    parts: Count
    pictures: Count
    perceived: Count
    motions: Count
    workers: Count
    dry_run: bool


@dataclass(frozen=True, kw_only=True)
class ReplayConfig:
    """`palme replay PATH`.

    Attributes:
        robot: another arm to replay on; not given = the recorded world (configs/robot/).
        bridge: how a remote arm is reached (configs/bridge/).
        episode: its number.
        approach: true first moves another arm slowly to where the episode began.
        dry_run: true checks that the episode can be sent, and sends nothing.
    """

    FILE: ClassVar[str] = "replay"
    robot: RobotConfig
    bridge: BridgeConfig
    episode: Whole
    approach: bool
    dry_run: bool


@dataclass(frozen=True, kw_only=True)
class ViewConfig:
    """`palme view PATH`.

    Attributes:
        episode: its number.
        out: folder that video.mp4 and episode.rrd are written to.
        height: [px] of the first camera's picture in the film.
        rerun: true requires the file for Rerun; false writes none; null writes it if rerun-sdk is installed.
    """

    FILE: ClassVar[str] = "view"
    episode: Whole
    out: Path
    height: Annotated[int, Range(16, 4320)]
    rerun: bool | None


@dataclass(frozen=True, kw_only=True)
class FindConfig:
    """`palme find WHAT DATASET`: WHAT in words, or the file of a picture.

    Attributes:
        clip: folder or name of a CLIP; "" = the shipped one.
        view: camera whose pictures are searched; "" = front, or the only one.
        n: moments at most.
        per_second: pictures of each second that are looked at.
        apart_s: [s] least time between two moments of one episode.
        out: folder of found.html and found.json.
    """

    FILE: ClassVar[str] = "find"
    clip: str
    view: str
    n: Count
    per_second: Positive
    apart_s: Positive
    out: Target


@dataclass(frozen=True, kw_only=True)
class WhyConfig:
    """`palme why DIR`.

    Attributes:
        step: number of the step, from 1, as report.html and the terminal count it.
    """

    FILE: ClassVar[str] = "why"
    step: Count


@dataclass(frozen=True, kw_only=True)
class InfoConfig:
    """`palme data info PATH`.

    Attributes:
        episodes: true prints a line for each episode too.
    """

    FILE: ClassVar[str] = "data_info"
    episodes: bool


@dataclass(frozen=True, kw_only=True)
class CheckConfig:
    """`palme data check PATH`.

    Attributes:
        deep: true decodes every picture, false the first and last of each episode.
    """

    FILE: ClassVar[str] = "data_check"
    deep: bool


@dataclass(frozen=True, kw_only=True)
class RepairConfig:
    """`palme data repair PATH`."""

    FILE: ClassVar[str] = "data_repair"


@dataclass(frozen=True, kw_only=True)
class IntoConfig:
    """A command that writes a new data set.

    Attributes:
        into: its folder.
    """

    into: FileName

    @property
    def target(self) -> Path:
        """Raises UsageError where none is given."""
        if not self.into:
            raise UsageError("missing into=PATH: the folder of the new data set")
        return Path(self.into)


@dataclass(frozen=True, kw_only=True)
class MergeConfig(IntoConfig):
    """`palme data merge PATH PATH ... into=PATH`."""

    FILE: ClassVar[str] = "data_merge"


@dataclass(frozen=True, kw_only=True)
class SplitConfig(IntoConfig):
    """`palme data split PATH into=PATH`.

    Attributes:
        episodes: these only, into INTO; [] = all, into INTO/train and INTO/test.
        train: share of the episodes that INTO/train gets, more than 0 and less than 1.
        seed: draws the episodes; null = the first ones go into INTO/train.
    """

    FILE: ClassVar[str] = "data_split"
    episodes: tuple[Whole, ...]
    train: Share
    seed: Seed | None

    def __post_init__(self) -> None:
        if not 0 < self.train < 1:
            raise UsageError(f"train={self.train}: expected a share above 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class StatsConfig:
    """`palme data stats PATH`.

    Attributes:
        episode: of one episode; null = of all.
    """

    FILE: ClassVar[str] = "data_stats"
    episode: Whole | None
