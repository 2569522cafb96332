"""The stage of `palme run`: the arm, what stands around it, and the agent that works on it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from palme.cli.settings.run import RunConfig

if TYPE_CHECKING:
    from palme.agent import Agent
    from palme.cli.rig.build import Rig
    from palme.cli.rig.operator_session import OperatorSession
    from palme.cli.rig.recording import Recording
    from palme.cli.rig.run_judge import RunJudge
    from palme.cli.rig.trajectory_log import TrajectoryLog
    from palme.data.recorder import Recorder
    from palme.operator.typed_lines import TypedLines
    from robots.robot import Robot
    from robots.teleop.pictures import Pictures
    from sim.world.scene import Scene

SETTLE_TICKS = 5


@dataclass
class Stage:
    """One run: the rig, and what stands between the agent and the arm.

    Attributes:
        robot: what the agent commands: the arm, or the outermost layer around it.
        scene: None where the table is a real one.
        judge: of what comes of the run.
        trajectory: for the film; None where the world is not ours.
        recorder: of `recording`; both None without record=.
        session: a person's part; None without console and device.
        lines: all that persons type, the sentence first.
    """

    sentence: str
    config: RunConfig
    rig: Rig
    robot: Robot
    scene: Scene | None
    judge: RunJudge
    trajectory: TrajectoryLog | None
    recording: Recording | None
    recorder: Recorder | None
    session: OperatorSession | None
    lines: TypedLines


def staged(sentence: str, config: RunConfig, rig: Rig, scene: Scene | None, judge: RunJudge) -> Stage:
    """The layers around the arm, from the inside out: trajectory, recorder, operator session."""
    from palme.cli.rig.trajectory_log import TrajectoryLog
    from palme.operator.typed_lines import TypedLines

    trajectory = None if rig.world is None else TrajectoryLog(rig.arm, rig.world, sentence)
    robot: Any = rig.arm if trajectory is None else trajectory
    lines = TypedLines(sentence)
    stage = Stage(sentence, config, rig, robot, scene, judge, trajectory, None, None, None, lines)
    with ExitStack() as undo:
        pictures: Pictures | None = None
        if config.has_operator:
            from palme.cli.rig.operator_session import beside

            pictures = beside(rig.arm, rig.world is not None)
            undo.callback(pictures.close)
        if config.record:
            from palme.cli.rig.recording import Recording

            names = config.planner.chosen.name, config.policy.name
            stage.recording = Recording(config.record, rig.arm, config.robot, config.codec, *names)
            stage.recorder = stage.recording.begin(
                robot, sentence, scene, SETTLE_TICKS, config.seed, pictures
            )
            robot = stage.robot = stage.recorder
        if config.has_operator:
            from palme.cli.rig.operator_session import OperatorSession, device_named
            from palme.cli.rig.terminal import on_terminal

            device = device_named(config.teleop)
            cameras = tuple(rig.arm.cameras)
            wait = on_terminal() if config.console_wait is None else config.console_wait
            stage.session = OperatorSession(
                robot, config, device, cameras, pictures=pictures, lines=lines, waits=config.console and wait
            )
            stage.robot = stage.session.shared
            if stage.recorder is not None:
                stage.recorder.is_intervention = stage.session.by_hand
        undo.pop_all()
    return stage


def agent_on(stage: Stage, listeners: tuple[Any, ...]) -> Agent:
    """The agent, told to `listeners` and to all that reads along on the stage."""
    from palme.cli.rig.terminal import TerminalPerson
    from palme.cli.rig.uninterrupted import careful_agent
    from palme.data.errors import DataError
    from robots.errors import RobotError

    rig, config, session = stage.rig, stage.config, stage.session
    planner, policy = rig.planner, rig.policy
    stage.lines.listeners += listeners
    listeners = (stage.lines, *listeners)
    readers = tuple(part for part in (stage.trajectory, stage.recorder) if part is not None)
    if session is None:
        listeners += readers
    else:
        # what reads the simulator runs between two ticks; the networks run beside them
        listeners += (*(session.alone(part) for part in readers), session.run_status)
        if config.planner.privileged:
            planner = session.alone(planner)
        if config.policy.privileged:
            policy = session.alone(policy)
    return careful_agent(
        stage.robot,
        planner,
        policy,
        listeners,
        limits=config.limits,
        check=(lambda: None) if stage.recording is None else stage.recording.check,
        refusals=(RobotError, DataError),
        retreat=rig.retreat,
        supervisor=None if session is None else session.operator,
        account=config.planner.account,
        person=session or TerminalPerson(),
        confirm=config.confirm,
    )
