"""`palme run "..."`: one sentence on one table, printed as it happens, with a log, a film and a report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError
from palme.cli.settings.run import RunConfig

if TYPE_CHECKING:
    from palme.agent import Agent, RunResult
    from palme.cli.rig.build import Rig
    from palme.cli.rig.operator_session import OperatorSession
    from palme.cli.rig.recording import Recording
    from palme.cli.rig.trajectory_log import TrajectoryLog
    from palme.data.recorder import Recorder
    from palme.operator.typed_lines import TypedLines
    from palme.report.log import EventLog
    from palme.report.record import RunRecord
    from robots.robot import Robot
    from robots.teleop.pictures import Pictures
    from sim.tasks import Task
    from sim.world.scene import Scene

SETTLE_TICKS = 5


def main(arguments: Sequence[str]) -> int:
    """Returns 0 where the task was achieved, 1 where it was not."""
    sentences = [word for word in arguments if not is_override(word)]
    config = load(RunConfig, [word for word in arguments if is_override(word)])
    if len(sentences) != 1 or not sentences[0].strip():
        raise UsageError('give one sentence in quotes: palme run "put the red block in the blue bowl"')
    return run(sentences[0].strip(), config)


def run(sentence: str, config: RunConfig) -> int:
    """Prepare the table, let the agent work, check the result, write the report."""
    from palme.cli.rig.console_logger import ConsoleLogger
    from palme.report.log import EventLog
    from palme.report.record import RunRecord

    scene = _scene(sentence, config)
    rig, stage = _rig(config), None
    try:
        out = Path(config.out)
        out.mkdir(parents=True, exist_ok=True)
        stage = _stage(sentence, config, rig, scene, _set_table(rig, sentence, scene, out))
        details = _details(config)
        record = RunRecord(details=details, warnings=rig.warnings)
        with EventLog(out / "events.jsonl", instruction=sentence, **details) as log:
            result = _act(stage, (record, log, ConsoleLogger()))
            record.truth = _truth(stage, log)
            if stage.session is not None:
                stage.session.judge(record.truth)
            if stage.recording is not None:
                print(stage.recording.save(record.truth))
                stage.recording.close()
            achieved = result.done and record.truth is not False
            written = _write(out, record, stage)
            log.note("end", achieved=achieved, files=[path.name for path in written])
        print(_closing(result.done, record.truth, achieved))
        for path in written:
            print(f"  {path}")
        if stage.session is not None:
            stage.session.linger()
    finally:
        if stage is not None and stage.session is not None:
            stage.session.close()
        rig.close()
    return 0 if achieved else 1


@dataclass
class _Stage:
    """One run: the rig, and what stands between the agent and the arm.

    Attributes:
        robot: what the agent commands: the arm, or the outermost layer around it.
        scene, task: None where the table is a real one, or the goal is unknown.
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
    task: Task[Any] | None
    trajectory: TrajectoryLog | None
    recording: Recording | None
    recorder: Recorder | None
    session: OperatorSession | None
    lines: TypedLines


def _scene(sentence: str, config: RunConfig) -> Scene | None:
    """What shall stand on the table; None where a served arm acts on the table that is there."""
    from palme.cli.rig.scene_from_text import scene_for

    if config.robot.is_remote and not config.remote.table:
        return None
    return scene_for(sentence, config.seed, config.distractors, config.scene)


def _rig(config: RunConfig) -> Rig:
    from palme.cli.rig.build import build_rig

    if config.has_operator:  # before the networks load
        from palme.cli.rig.operator_session import check_operator

        check_operator(config, config.teleop)
    return build_rig(config, config.seed)


def _set_table(rig: Rig, sentence: str, scene: Scene | None, out: Path) -> Task[Any] | None:
    """Load the scene, or arm a served arm as it stands. Returns the goal, where it can be checked."""
    from palme.cli.rig.scene_from_text import task_of

    task = None
    if scene is not None and rig.table is not None:
        (out / "scene.yaml").write_text(scene.to_yaml(), encoding="utf-8")
        rig.table.load(scene, SETTLE_TICKS)
        task = task_of(sentence, scene.state)
    else:
        rig.arm.rearm()  # the person who typed the command asks for motion on the table that is there
    rig.set_goal(task)
    return task


def _stage(sentence: str, config: RunConfig, rig: Rig, scene: Scene | None, task: Task[Any] | None) -> _Stage:
    """The layers around the arm, from the inside out: trajectory, recorder, operator session."""
    from palme.cli.rig.trajectory_log import TrajectoryLog
    from palme.operator.typed_lines import TypedLines

    trajectory = None if rig.world is None else TrajectoryLog(rig.arm, rig.world, sentence)
    robot: Any = rig.arm if trajectory is None else trajectory
    lines = TypedLines(sentence)
    stage = _Stage(sentence, config, rig, robot, scene, task, trajectory, None, None, None, lines)
    with ExitStack() as undo:
        pictures: Pictures | None = None
        if config.has_operator:
            from palme.cli.rig.operator_session import beside

            pictures = beside(rig.arm, rig.world is not None)
            undo.callback(pictures.close)
        if config.record:
            from palme.cli.rig.recording import Recording

            names = config.planner.name, config.policy.name
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


def _agent(stage: _Stage, listeners: tuple[Any, ...]) -> Agent:
    from palme.agent import Agent
    from robots.errors import RobotError
    from robots.executor import Executor

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
    return Agent(
        stage.robot,
        planner,
        policy,
        Executor(stage.robot),
        listeners,
        config.limits,
        refusals=(RobotError,),
        retreat=rig.retreat,
        supervisor=None if session is None else session.operator,
    )


def _act(stage: _Stage, listeners: tuple[Any, ...]) -> RunResult:
    """Let the agent work, with the operator's session open meanwhile."""
    agent, session = _agent(stage, listeners), stage.session
    try:
        if session is None:
            return agent.run(stage.sentence)
        result = session.carry_out(lambda: agent.run(stage.sentence))
    finally:
        stage.lines.close()
    print(f"   {session.told()}")
    return result


def _truth(stage: _Stage, log: EventLog) -> bool | None:
    """Whether the goal is reached in the simulator; None where nobody can know."""
    from palme.cli.rig.scene_from_text import task_of
    from robots.errors import RobotError

    task, table, session = stage.task, stage.rig.table, stage.session
    if task is None or table is None or stage.scene is None:
        return None
    if (
        session is not None
        and session.run_status is not None
        and session.run_status.instruction != stage.sentence
    ):
        task = task_of(session.run_status.instruction, stage.scene.state)  # a person changed the instruction
        if task is None:
            return None
    try:
        table.hold(SETTLE_TICKS)
        truth = task.is_success(table.truth())
    except RobotError as error:
        log.note("simulator", gone=f"{type(error).__name__}: {error}")
        return None
    log.note("simulator", goal_reached=truth)
    return truth


def _closing(done: bool, truth: bool | None, achieved: bool) -> str:
    if achieved:
        return "achieved" if truth else "achieved according to the planner; nothing else can check it"
    if done and truth is False:
        return "not achieved: the planner reports success, the simulator does not confirm it"
    return "not achieved"


def _write(out: Path, record: RunRecord, stage: _Stage) -> list[Path]:
    """The film first, because the page holds it. If it fails, the page is written all the same."""
    from palme.report.joints import JointLimits
    from palme.report.run_page import run_page

    film = out / "video.mp4"
    film.unlink(missing_ok=True)
    if stage.config.video and stage.trajectory is not None and stage.trajectory.moments:
        _film(film, record, stage.trajectory, stage)
    spec = stage.rig.arm.spec
    limits = JointLimits(spec.joint_names, spec.q_min, spec.q_max, spec.dq_max)
    report = out / "report.html"
    page = run_page(record, limits, spec.control_hz, film if film.exists() else None)
    report.write_text(page, encoding="utf-8")
    return [path for path in (film, report, out / "events.jsonl") if path.exists()]


def _film(film: Path, record: RunRecord, trajectory: TrajectoryLog, stage: _Stage) -> None:
    from palme.cli.rig.filming import make_film

    control_hz = stage.rig.arm.spec.control_hz
    try:
        record.picture = make_film(film, trajectory, stage.scene, control_hz, stage.config.look)
    except KeyboardInterrupt:
        film.unlink(missing_ok=True)
        print("film: stopped by Ctrl-C; the report has no film", file=sys.stderr)
    except Exception as error:  # an encoder must not cost the run its report
        film.unlink(missing_ok=True)
        print(f"film: {type(error).__name__}: {error}; the report has no film", file=sys.stderr)


def _details(config: RunConfig) -> dict[str, Any]:
    from datetime import date

    from palme.cli.version import commit, release

    return {
        "date": date.today().isoformat(),
        "seed": config.seed,
        "arm": config.robot.name,
        "planner": config.planner.name,
        "policy": config.policy.name,
        "version": release(),
        "commit": commit(),
    }
