"""`record=PATH` of run and eval: a recorder before the arm, opened when the first episode begins."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from palme.cli.errors import UsageError
from palme.cli.settings.groups import RobotConfig
from palme.data.errors import DataError, WriteError
from robots.robot import Remote, Robot
from sim.world.arm import SimulatedArm

DRAWN = 5.0  # [s] the newest picture that is drawn beside the loop may be old: there is no cable to check
LEAST_FREE = 1_000_000  # [bytes] some seconds of video, and the tables
NO_HURRY = 60.0  # [s] simulated time can wait for the encoder; a clock cannot


class Recording:
    """Episodes of one rig, into one data set.

    Args:
        path: of the data set; it is begun or continued.
        arm: that is recorded: a `SimulatedArm`, or a `BridgeClient`.
        robot: its settings; a simulated arm's description is kept for replay.
        codec: of the videos.
        planner, policy: names for the side table.

    Attributes:
        fault: why an episode, the first of them, is not in the data set; "" so far.
    """

    def __init__(
        self, path: str, arm: Any, robot: RobotConfig, codec: str, planner: str = "", policy: str = ""
    ) -> None:
        self.path, self._arm, self._robot, self._codec = Path(path), arm, robot, codec
        self._planner, self._policy = planner, policy
        self._dataset: Any = None
        self._watcher: Any = None
        self._recorder: Any = None
        self.fault = self._lost = ""
        self._error: Exception | None = None
        self._begun = False

    def begin(
        self, robot: Robot, sentence: str, scene: Any, ticks: int, seed: int, pictures: Any = None
    ) -> Any:
        """A recorder that passes everything on to `robot`, which is also a listener.

        Args:
            scene: what stands before the arm, where it is ours; it has been loaded, and `ticks` passed.
            pictures: those that come by themselves, where a person has part in the run.

        Raises:
            UsageError: the data set cannot be written to, or is of another arm. Only the first time, when
                nothing has moved yet: later a fault costs its episode only.
        """
        from palme.cli.rig.scene_snapshot import Setting, final_state, rgb_look
        from palme.cli.version import commit
        from palme.data.encoding import MAX_WAIT, EncoderProcess
        from palme.data.recorder import CAMERA_TIMEOUT, BackgroundCameras, Recorder, latest_images, schema_of
        from palme.data.sidecar import Run
        from palme.data.writer import DatasetWriter

        arm, ours = self._arm, isinstance(self._arm, SimulatedArm)
        self._lost, self._error = "", None
        look = (lambda: rgb_look(arm)) if ours else None
        if pictures is not None:
            look = latest_images(arm, pictures, tuple(arm.cameras), DRAWN if ours else CAMERA_TIMEOUT)
        elif not ours and ((remote := arm.capability(Remote)) is None or remote.realtime):
            self._watcher = BackgroundCameras(robot)
            robot, look = self._watcher, self._watcher.capture
        try:
            if self._dataset is None:
                _check_space(self.path)
                seen = look()[0] if look else robot.observe()
                schema = schema_of(robot, seen, self._codec)
                by_clock = self._watcher is not None or pictures is not None
                max_wait = MAX_WAIT if by_clock else NO_HURRY
                self._dataset = DatasetWriter(
                    self.path, schema, lambda s: EncoderProcess(s, max_wait=max_wait)
                )
                for line in self._dataset.recovered:
                    print(f"record: {self.path}: {line}", file=sys.stderr)
            self._recorder = Recorder(
                robot, self._dataset, look, (lambda: final_state(arm)) if ours else None, self._failed
            )
            world = ""
            if ours and scene is not None:
                world = Setting(scene.to_yaml(), ticks, self._robot.description).to_json()
            run = Run(
                sentence,
                arm=arm.spec.name,
                planner=self._planner,
                policy=self._policy,
                commit=commit(),
                seed=seed,
                world=world,
            )
            self._recorder.begin(sentence, run)
        except DataError as error:
            if self._begun and self._recorder is not None:
                self._failed(error)
                return self._recorder
            self.close()
            raise UsageError(f"record={self.path}: {error}") from error
        self._begun = True
        return self._recorder

    def check(self) -> None:
        """Raise the error by which the present episode is lost, for a run that is not to go on without it."""
        if self._error is not None:
            raise self._error

    def save(self, truth: bool | None) -> str:
        """Finish the episode. Returns a line for a person; a failure is in `fault` too, and not raised."""
        lost = self._lost
        try:
            saved = None if lost else self._recorder.save(truth)
        except DataError as error:
            self._failed(error)
        except Exception as error:
            logging.getLogger(__name__).exception("an episode could not be saved")
            self._failed(error)
        finally:
            lost, self._lost = self._lost, ""
            self._unwatch()
        if lost:
            return f"record: NOT RECORDED: {lost}"
        if saved is None:
            return "record: no command was sent, so no episode is saved"
        entry, side = saved
        return f"record: {self.path} episode {entry.episode}, {entry.length} frames, {side.timing.sentence}"

    def _failed(self, error: Exception) -> None:
        """The episode is lost: say so at once."""
        self._error = error
        self._lost = f"{type(error).__name__}: {error}"
        self.fault = self.fault or self._lost
        print(f"palme: this episode is not recorded: {self._lost}", file=sys.stderr)

    def close(self) -> None:
        """Close the data set, so that another process can write to it."""
        self._unwatch()
        if self._dataset is not None:
            self._dataset.close()

    def _unwatch(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None


def _check_space(path: Path) -> None:
    """Raises WriteError if the disk of `path` is full already, before anything moves for nothing."""
    place = next((p for p in (path, *path.absolute().parents) if p.exists()), path)
    try:
        free = os.statvfs(place)
    except OSError:  # what cannot be asked is found out by writing
        return
    left = free.f_bavail * free.f_frsize
    if not left >= LEAST_FREE:
        raise WriteError(
            f"{left / 1e3:.0f} kB are free on its disk, an episode needs at least {LEAST_FREE / 1e3:.0f} kB; "
            "free some space, or record to another disk"
        )
