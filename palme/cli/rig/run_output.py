"""What `palme run` leaves in its folder: the log, a film, a page, and the files of an earlier run aside."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palme.cli.errors import UsageError, reason
from palme.cli.settings.run import RunConfig
from palme.cli.signals import interruptible

if TYPE_CHECKING:
    from palme.cli.rig.run_stage import Stage
    from palme.cli.rig.trajectory_log import TrajectoryLog
    from palme.report.folder import OutputFolder
    from palme.report.record import RunRecord
    from sim.world.scene import Scene

EVENTS, FILM, REPORT = "events.jsonl", "video.mp4", "report.html"


def output_folder(config: RunConfig) -> OutputFolder:
    """The folder of `out=`, which is there. Raises UsageError."""
    from palme.report.folder import OutputFolder

    folder = OutputFolder(Path(config.out), lambda said: print(f"palme: {said}", file=sys.stderr))
    try:
        folder.create()
    except OSError as error:
        raise UsageError(f"out={config.out}: {reason(error)}; choose another folder") from error
    return folder


def begin_output(folder: OutputFolder, scene: Scene | None) -> None:
    """Set an earlier run's files aside; then write the scene, where one was set."""
    from palme.cli.rig.previous_run import PREVIOUS, set_aside

    with folder.attempt(PREVIOUS):
        set_aside(folder.path)
    if scene is not None:
        folder.write_text("scene.yaml", scene.to_yaml())


def write_output(folder: OutputFolder, record: RunRecord, stage: Stage) -> list[Path]:
    """The film, then the page, which holds it; if the film fails, the page is written all the same.

    Returns:
        The files that are there.
    """
    from palme.report.joints import JointLimits
    from palme.report.run_page import run_page

    film = folder.path / FILM
    with folder.attempt(FILM):
        film.unlink(missing_ok=True)
    if stage.config.video and stage.trajectory is not None and stage.trajectory.moments:
        _film(folder, record, stage.trajectory, stage)
    _still(record, stage)
    record.warnings += tuple(f"{name} is incomplete: {why}" for name, why in folder.missing.items())
    spec = stage.rig.arm.spec
    limits = JointLimits(spec.joint_names, spec.q_min, spec.q_max, spec.dq_max)
    page = run_page(record, limits, spec.control_hz, film if film.exists() else None)
    folder.write_text(REPORT, page)
    return [folder.path / name for name in (FILM, REPORT, EVENTS) if is_written(folder, name)]


def is_written(folder: OutputFolder, name: str) -> bool:
    """Whether the file `name` is there and whole."""
    return name not in folder.missing and (folder.path / name).exists()


def _still(record: RunRecord, stage: Stage) -> None:
    """A picture for the report where there is no film."""
    if record.picture is not None or stage.trajectory is None or not stage.trajectory.moments:
        return
    from palme.cli.rig.filming import make_still

    try:
        record.picture = make_still(stage.trajectory, stage.scene, stage.config.look)
    except Exception as error:  # a picture must not cost the run its report
        print(f"report: {type(error).__name__}: {error}; its first picture is small", file=sys.stderr)


def _film(folder: OutputFolder, record: RunRecord, trajectory: TrajectoryLog, stage: Stage) -> None:
    from palme.cli.rig.filming import make_film

    film, control_hz = folder.path / FILM, stage.rig.arm.spec.control_hz
    try:
        with interruptible():
            record.picture = make_film(film, trajectory, stage.scene, control_hz, stage.config.look)
        return
    except KeyboardInterrupt as interrupt:
        why = str(interrupt) or "stopped by Ctrl-C"
        print(f"film: {why}; the report has no film", file=sys.stderr)
    except OSError as error:
        folder.failed(FILM, error)
    except Exception as error:  # an encoder must not cost the run its report
        folder.missing[FILM] = f"{type(error).__name__}: {error}"
        print(f"film: {type(error).__name__}: {error}; the report has no film", file=sys.stderr)
    with folder.attempt(FILM):
        film.unlink(missing_ok=True)


def details_of(config: RunConfig) -> dict[str, Any]:
    """What a log and a page say of the run itself."""
    from datetime import date

    from palme.cli.version import commit, release

    return {
        "date": date.today().isoformat(),
        "seed": config.seed,
        "arm": config.robot.name,
        "planner": config.planner.chosen.name,
        "policy": config.policy.name,
        "version": release(),
        "commit": commit(),
    }
