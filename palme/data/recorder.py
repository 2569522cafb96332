"""Recorder: a wrapper around any robot that records its observations and commands.

Before each command it captures state and images, then delegates the command. The command requested, the
command sent and the capture become one row. As a listener it records the agent's events.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from palme.data.episode_index import Entry
from palme.data.errors import CameraTimeoutError, DataError, SchemaMismatchError
from palme.data.schema import Schema, View
from palme.data.sidecar import CommandRecord, EpisodeEvent, Run, Sidecar
from palme.data.writer import DatasetWriter, EpisodeWriter, Row
from palme.events import Acted, Event, Finished, Judged, Planned
from robots.errors import CommandRejected
from robots.robot import Rearmable, Robot, RobotWrapper
from robots.teleop.pictures import Pictures
from robots.text import escaped
from robots.types import CameraFrame, JointCommand, Observation, dated

CAMERA_TIMEOUT = 1.0  # [s] without a new image

Capture = Callable[[], tuple[Observation, float]]
"""Returns state and images of one instant, and the age of the oldest image in [s]."""


def schema_of(robot: Robot, seen: Observation, codec: str = "h264") -> Schema:
    """The schema of a recording.

    Args:
        robot: the arm.
        seen: an observation with the cameras to record.
        codec: "h264" or "av1".

    Raises:
        SchemaMismatchError: the control rate is not a whole number, or an image size is unsupported.
    """
    views = tuple(View(name, *frame.rgb.shape[:2]) for name, frame in seen.images.items())
    hz = robot.spec.control_hz
    if not abs(hz - round(hz)) < 1e-6:
        raise SchemaMismatchError(f"{robot.spec.name}: control_hz {hz:g}; v3.0 requires a whole number")
    return Schema(robot.spec.name, round(hz), tuple(robot.spec.joint_names), views, codec)


class Recorder(RobotWrapper, Rearmable):
    """Records what passes to and from a robot; a wrapper, and a listener of the agent's events.

    Attributes:
        is_intervention: whether a person commands now; set by the operator session.
        step: text of the current step.
    """

    def __init__(
        self,
        robot: Robot,
        dataset: DatasetWriter,
        capture: Capture | None = None,
        final_state: Callable[[], Sequence[float]] | None = None,
        failed: Callable[[DataError], None] | None = None,
    ) -> None:
        """Wrap `robot`; nothing is recorded before `begin`.

        Args:
            robot: the arm.
            dataset: receives the episodes.
            capture: called before each command; None = `robot.observe()`, which delays the command.
            final_state: called at the end of a run; a replay is compared with its result.
            failed: called once when a row cannot be recorded; the episode is discarded, the commands pass on.
                None = `command` raises.
        """
        super().__init__(robot)
        self._rearmable = robot.capability(Rearmable)
        self.is_intervention: Callable[[], bool] = lambda: False
        self.step = ""
        self._dataset = dataset
        self._capture: Capture = capture or (lambda: (robot.observe(), 0.0))
        self._final_state, self._failed = final_state, failed
        self._episode: EpisodeWriter | None = None
        self._run = Run("")

    # -- an episode ---------------------------------------------------------------------------

    def begin(self, instruction: str, run: Run | None = None) -> None:
        """Start an episode.

        Args:
            instruction: the task sentence.
            run: what is known of the run already.

        Raises:
            InvalidFrameError: the sentence is empty.
            WriteError, EncoderError: recording cannot start.
        """
        run = Run(instruction) if run is None else replace(run, instruction=instruction)
        self._run = replace(run, started=run.started or datetime.now().astimezone().isoformat())
        self.step = ""
        self._episode = self._dataset.begin(instruction)

    def save(self, truth: bool | None = None) -> tuple[Entry, Sidecar] | None:
        """Finish the episode.

        Args:
            truth: the simulator's verdict, None without one.

        Returns:
            Its entry and sidecar, or None if no command was recorded.

        Raises:
            EncoderError, WriteError: the episode is lost, every finished one is kept.
        """
        episode, self._episode = self._episode, None
        if episode is None or not episode.n:
            if episode is not None:
                episode.discard()
            return None
        final = self._run.final or self._final()  # without an agent there is no Finished event
        return episode.save(replace(self._run, truth=truth, final=final))

    def discard(self) -> None:
        """Discard the episode. Idempotent."""
        if self._episode is not None:
            self._episode.discard()
        self._episode = None

    # -- Robot --------------------------------------------------------------------------------

    def command(self, command: JointCommand) -> JointCommand:
        """Delegates to the wrapped robot, and records a row.

        Raises:
            CommandRejected: by the safety gate; recorded as refused.
            CameraTimeoutError: before the command is sent.
            InvalidFrameError, EncoderError, WriteError: after the command was sent, without `failed`.
        """
        episode = self._episode
        if episode is None:
            return self.robot.command(command)
        seen, age = self._capture()
        looked = time.monotonic()
        frame = episode.n
        try:
            sent = self.robot.command(command)
        except CommandRejected:
            episode.commands.append(_command_record(frame, command, False))
            raise
        episode.commands.append(_command_record(frame, command, True))
        row = Row(
            np.append(seen.robot.q, seen.robot.gripper),
            np.append(sent.q_target, sent.gripper),
            np.append(command.q_target, command.gripper),
            self.step,
            seen.t_mono,
            [image.rgb for image in seen.images.values()],
            self.is_intervention(),
            age,
            tuple(0.0 if image.taken is None else image.taken - looked for image in seen.images.values()),
            tuple(image.taken for image in seen.images.values()),
        )
        try:
            episode.add(row)
        except DataError as error:
            if self._failed is None:
                raise
            self.discard()
            self._failed(error)
        return sent

    def stop(self, reason: str) -> None:
        """Delegates to the wrapped robot, and records it."""
        if self._episode is not None:
            self._episode.commands.append(CommandRecord(self._episode.n, "stop"))
        self.robot.stop(reason)

    def rearm(self) -> None:
        """Delegates to the wrapped robot, and records it."""
        if self._rearmable is not None:
            self._rearmable.rearm()
        if self._episode is not None:
            self._episode.commands.append(CommandRecord(self._episode.n, "rearm"))

    # -- listener -----------------------------------------------------------------------------

    def __call__(self, event: Event) -> None:
        """Record an event; a step lasts from its plan to its verdict."""
        episode = self._episode
        if episode is None:
            return
        if isinstance(event, Planned):
            sentence = "" if event.sentence is None else escaped(event.sentence.text)
            answer = "done" if event.step.is_done else escaped(event.rationale)
            self.step = "" if event.step.is_done else event.step.text
            episode.events.append(
                EpisodeEvent(episode.n, event.t, "planned", event.index, event.step.text, sentence, answer,
                     seconds=event.seconds)
            )  # fmt: skip
        elif isinstance(event, Acted):
            frame = max(episode.n - len(event.sent), 0)  # the policy looked before the chunk
            for look in event.localisations:
                if look.xyz is not None:
                    episode.events.append(
                        EpisodeEvent(frame, event.t, "looked", event.index, self.step, answer=look.role,
                             probability=look.score, camera=look.camera, xyz=look.xyz)
                    )  # fmt: skip
        elif isinstance(event, Judged):
            answer = escaped(event.reason or event.found)
            episode.events.append(
                EpisodeEvent(episode.n, event.t, "judged", event.index, event.step.text, "", answer,
                             event.success, event.probability, event.seconds)
            )  # fmt: skip
        elif isinstance(event, Finished):
            episode.events.append(
                EpisodeEvent(episode.n, event.t, "finished", answer=escaped(event.reason), success=event.done)
            )
            self._run = replace(
                self._run,
                done=event.done,
                cause=event.cause,
                reason=escaped(event.reason),
                final=self._final(),
            )

    def _final(self) -> tuple[float, ...]:
        return () if self._final_state is None else tuple(float(x) for x in self._final_state())


def _command_record(frame: int, command: JointCommand, accepted: bool) -> CommandRecord:
    target = tuple(float(x) for x in np.asarray(command.q_target, float).reshape(-1))
    return CommandRecord(
        frame, "command", target, float(command.gripper), int(command.seq), float(command.t_mono), accepted
    )


def _with_time(frame: CameraFrame, taken: float) -> CameraFrame:
    return frame if frame.taken is not None else replace(frame, taken=taken)


def latest_images(
    robot: Robot, pictures: Pictures, cameras: Sequence[str], timeout: float = CAMERA_TIMEOUT
) -> Capture:
    """A capture of the present state with the newest images of `pictures`, at the wall-clock time.

    Args:
        robot: its state is observed.
        pictures: images that arrive independently of the control loop.
        cameras: names.
        timeout: age in [s] of an image at which the capture raises CameraTimeoutError.
    """

    def capture() -> tuple[Observation, float]:
        state, now = robot.observe(()), time.monotonic()
        found = {camera: pictures.newest(camera) for camera in cameras}
        age = max((now - taken for _, taken in found.values()), default=0.0)
        if not age <= timeout:
            oldest = min(found, key=lambda camera: found[camera][1])
            raise CameraTimeoutError(
                f"camera {oldest}: no image for {age:.2f} s, limit {timeout:g} s; arm holding"
            )
        images = {name: _with_time(frame, taken) for name, (frame, taken) in found.items()}
        return replace(state, images=images, t_mono=now), age

    return capture


class BackgroundCameras(RobotWrapper):
    """Captures a robot's images in a thread, so that a real-time loop never waits for a camera."""

    def __init__(
        self, robot: Robot, cameras: Sequence[str] | None = None, timeout: float = CAMERA_TIMEOUT
    ) -> None:
        """Capture the first images, then start the thread.

        Args:
            robot: the arm; its `observe` may take as long as the cameras do.
            cameras: names; None = all.
            timeout: age in [s] of the images at which `capture` raises CameraTimeoutError.
        """
        super().__init__(robot)
        self._cameras, self.timeout = cameras, timeout
        self._camera_lock = threading.Lock()  # a camera serves one caller at a time
        self._seen: Observation | None = None
        self._seen = self._dated(robot.observe(cameras), time.monotonic())
        self._when = time.monotonic()
        self._failure: Exception | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cameras", daemon=True)
        self._thread.start()

    def capture(self) -> tuple[Observation, float]:
        """The present state with the newest images, and their age in [s].

        Raises:
            CameraTimeoutError: the images are too old, or the last attempt failed.
        """
        state = self.robot.observe(())
        assert self._seen is not None
        seen, age, failure = self._seen, time.monotonic() - self._when, self._failure
        if failure is not None or not age <= self.timeout:
            why = "no answer" if failure is None else f"{type(failure).__name__}: {failure}"
            raise CameraTimeoutError(
                f"cameras {list(seen.images)}: no image for {age:.2f} s, limit {self.timeout:g} s ({why}); "
                "check the cable; arm holding"
            )
        return replace(state, images=seen.images), age

    def observe(self, cameras: Sequence[str] | None = None) -> Observation:
        """Delegates to the wrapped robot; images are captured for one caller at a time."""
        if cameras is not None and not cameras:
            return self.robot.observe(cameras)
        with self._camera_lock:
            return self.robot.observe(cameras)

    def close(self) -> None:
        """End the thread. Idempotent."""
        self._ended.set()
        self._thread.join(5.0)

    def _dated(self, seen: Observation, asked: float) -> Observation:
        before = {} if self._seen is None else self._seen.images
        images = {name: dated(frame, asked, before.get(name)) for name, frame in seen.images.items()}
        return replace(seen, images=images)

    def _run(self) -> None:
        period = self.spec.dt
        while not self._ended.is_set():
            begin = time.monotonic()
            try:
                with self._camera_lock:
                    seen = self._dated(self.robot.observe(self._cameras), begin)
                self._seen, self._when, self._failure = seen, time.monotonic(), None
            except Exception as error:  # `capture` raises it, in the thread that commands
                self._failure = error
            self._ended.wait(max(0.0, period - (time.monotonic() - begin)))
