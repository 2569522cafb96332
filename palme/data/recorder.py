"""Recorder: stands between executor and arm, passes everything through, and writes down what went by.

Works for any `Robot`. Before each command it looks (state, pictures), then passes the command on; what was
asked for, what was sent and what was seen become one row. As a listener it keeps what planner and judge say.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from palme.data.episode_index import Entry
from palme.data.errors import CameraTimeoutError
from palme.data.schema import Schema, View
from palme.data.sidecar import CommandRecord, EpisodeEvent, Run, Sidecar
from palme.data.writer import DatasetWriter, EpisodeWriter, Row
from palme.events import Acted, Event, Finished, Judged, Planned
from robots.errors import CommandRejected
from robots.robot import Rearmable, Robot, RobotWrapper
from robots.teleop.pictures import Pictures
from robots.types import JointCommand, Observation

STALE = 1.0  # [s] a camera may give no picture

Look = Callable[[], tuple[Observation, float]]
"""State and pictures of an instant, and the age of the oldest picture in [s]."""


def schema_of(robot: Robot, seen: Observation, codec: str = "h264") -> Schema:
    """What there is to record of an arm that sees `seen`. Raises SchemaMismatchError."""
    views = tuple(View(name, *frame.rgb.shape[:2]) for name, frame in seen.images.items())
    hz = robot.spec.control_hz
    fps = round(hz) if abs(hz - round(hz)) < 1e-6 else hz
    return Schema(robot.spec.name, fps, tuple(robot.spec.joint_names), views, codec)  # type: ignore[arg-type]


class Recorder(RobotWrapper, Rearmable):
    """A `Robot` that records, and a listener.

    Args:
        robot: the arm.
        dataset: where to.
        look: what is seen before each command; None = `robot.observe()`, which the loop then waits for.
        world: asked when the agent has finished, for what a replay is compared with.

    Attributes:
        person: tells whether what is commanded now is a person's; whoever brings one in sets it.
        step: the step that is being done.
    """

    def __init__(
        self,
        robot: Robot,
        dataset: DatasetWriter,
        look: Look | None = None,
        world: Callable[[], Sequence[float]] | None = None,
    ) -> None:
        super().__init__(robot)
        self._rearmable = robot.capability(Rearmable)
        self.person: Callable[[], bool] = lambda: False
        self.step = ""
        self._dataset = dataset
        self._look: Look = look or (lambda: (robot.observe(), 0.0))
        self._world = world
        self._episode: EpisodeWriter | None = None
        self._run = Run("")

    # -- an episode ---------------------------------------------------------------------------

    def begin(self, instruction: str, run: Run | None = None) -> None:
        """Record from now on. `run`: what is known of it already."""
        run = Run(instruction) if run is None else replace(run, instruction=instruction)
        self._run = replace(run, started=run.started or datetime.now().astimezone().isoformat())
        self.step = ""
        self._episode = self._dataset.begin(instruction)

    def save(self, truth: bool | None = None) -> tuple[Entry, Sidecar] | None:
        """Finish the episode; None where nothing was commanded. Raises EncoderError, WriteError."""
        episode, self._episode = self._episode, None
        if episode is None or not episode.n:
            if episode is not None:
                episode.discard()
            return None
        final = self._run.final or self._final()  # where nobody plans, nobody tells that it is finished
        return episode.save(replace(self._run, truth=truth, final=final))

    def discard(self) -> None:
        """Throw the episode away."""
        if self._episode is not None:
            self._episode.discard()
        self._episode = None

    # -- Robot --------------------------------------------------------------------------------

    def command(self, command: JointCommand) -> JointCommand:
        """Delegates to the wrapped robot, and records a row.

        Raises what the robot raises, and what `EpisodeWriter.add` does: the command has been sent by then.
        """
        episode = self._episode
        if episode is None:
            return self.robot.command(command)
        seen, age = self._look()
        frame = episode.n
        try:
            sent = self.robot.command(command)
        except CommandRejected:
            episode.commands.append(_order(frame, command, False))
            raise
        episode.commands.append(_order(frame, command, True))
        episode.add(
            Row(
                np.append(seen.robot.q, seen.robot.gripper),
                np.append(sent.q_target, sent.gripper),
                np.append(command.q_target, command.gripper),
                self.step,
                seen.t_mono,
                [image.rgb for image in seen.images.values()],
                self.person(),
                age,
            )
        )
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
        """Keep what was said; a step lasts from its plan to its verdict."""
        episode = self._episode
        if episode is None:
            return
        if isinstance(event, Planned):
            sentence = getattr(event.sentence, "text", "") or ""
            answer = "done" if event.is_done else event.rationale
            self.step = "" if event.is_done else event.text
            episode.events.append(
                EpisodeEvent(episode.n, event.t, "planned", event.index, event.text, sentence, answer,
                     seconds=event.seconds)
            )  # fmt: skip
        elif isinstance(event, Acted):
            frame = max(episode.n - len(event.sent), 0)  # the look came before the chunk
            for look in event.looks:
                if look.xyz is not None:
                    episode.events.append(
                        EpisodeEvent(frame, event.t, "looked", event.index, self.step, answer=look.role,
                             probability=look.score, camera=look.camera, xyz=look.xyz)
                    )  # fmt: skip
        elif isinstance(event, Judged):
            answer = event.reason or event.found
            episode.events.append(
                EpisodeEvent(episode.n, event.t, "judged", event.index, event.text, "", answer, event.success,
                     event.probability, event.seconds)
            )  # fmt: skip
        elif isinstance(event, Finished):
            episode.events.append(
                EpisodeEvent(episode.n, event.t, "finished", answer=event.reason, success=event.done)
            )
            self._run = replace(
                self._run, done=event.done, cause=event.cause, reason=event.reason, final=self._final()
            )

    def _final(self) -> tuple[float, ...]:
        return () if self._world is None else tuple(float(x) for x in self._world())


def _order(frame: int, command: JointCommand, accepted: bool) -> CommandRecord:
    target = tuple(float(x) for x in np.asarray(command.q_target, float).reshape(-1))
    return CommandRecord(
        frame, "command", target, float(command.gripper), int(command.seq), float(command.t_mono), accepted
    )


def look_beside(robot: Robot, pictures: Pictures, cameras: Sequence[str], stale: float = STALE) -> Look:
    """State now, by the wall clock, with the newest of the pictures that come by themselves.

    Raises CameraTimeoutError, when it looks, where the newest of a camera is older than `stale` [s].
    """

    def look() -> tuple[Observation, float]:
        state, now = robot.observe(()), time.monotonic()
        found = {camera: pictures.newest(camera) for camera in cameras}
        age = max((now - taken for _, taken in found.values()), default=0.0)
        if not age <= stale:
            oldest = min(found, key=lambda camera: found[camera][1])
            raise CameraTimeoutError(
                f"camera {oldest}: no picture for {age:.2f} s, limit {stale:g} s; the arm holds"
            )
        return replace(state, images={name: frame for name, (frame, _) in found.items()}, t_mono=now), age

    return look


class Watcher(RobotWrapper):
    """A `Robot` whose pictures are fetched in a thread, so that a loop in real time never waits for one.

    Args:
        robot: whose `observe` may take as long as its cameras do.
        cameras: which; None = all.
        stale: [s] after which a camera that gives nothing is an error.

    Raises:
        CameraTimeoutError: by `look`.
    """

    def __init__(self, robot: Robot, cameras: Sequence[str] | None = None, stale: float = STALE) -> None:
        super().__init__(robot)
        self._cameras, self.stale = cameras, stale
        self._one = threading.Lock()  # a camera serves one caller at a time
        self._seen = robot.observe(cameras)
        self._when = time.monotonic()
        self._failure: Exception | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._thread.start()

    def look(self) -> tuple[Observation, float]:
        """State now, with the newest pictures there are, and their age in [s]."""
        state = self.robot.observe(())
        seen, age = self._seen, time.monotonic() - self._when
        if self._failure is not None or not age <= self.stale:
            why = (
                f"{type(self._failure).__name__}: {self._failure}" if self._failure else "it does not answer"
            )
            raise CameraTimeoutError(
                f"cameras {list(seen.images)}: no picture for {age:.2f} s, limit {self.stale:g} s ({why}); "
                "check the cable; the arm holds"
            )
        return replace(state, images=seen.images), age

    def observe(self, cameras: Sequence[str] | None = None) -> Observation:
        """Delegates to the wrapped robot; images are captured for one caller at a time."""
        if cameras is not None and not cameras:
            return self.robot.observe(cameras)
        with self._one:
            return self.robot.observe(cameras)

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join(5.0)

    def _watch(self) -> None:
        period = self.spec.dt
        while not self._ended.is_set():
            begin = time.monotonic()
            try:
                with self._one:
                    seen = self.robot.observe(self._cameras)
                self._seen, self._when, self._failure = seen, time.monotonic(), None
            except Exception as error:  # told by `look`, in the thread that commands
                self._failure = error
            self._ended.wait(max(0.0, period - (time.monotonic() - begin)))
