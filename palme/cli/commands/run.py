"""`palme run "..."`: one sentence on one table, told as it happens, with a log, a film and a page after."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError, unknown

LOOKS = ("photo", "fast")
SETTLE_TICKS = 5


def main(arguments: Sequence[str]) -> int:
    """Returns 0 where the task was achieved, 1 where it was not."""
    sentences = [word for word in arguments if not is_override(word)]
    config = load("run", [word for word in arguments if is_override(word)])
    if len(sentences) != 1 or not sentences[0].strip():
        raise UsageError('say one sentence in quotes: palme run "put the red block in the blue bowl"')
    if config["look"] not in LOOKS:
        raise unknown("look", config["look"], LOOKS)
    return run(sentences[0].strip(), config)


def run(sentence: str, config: dict[str, Any]) -> int:
    """Set the stage, let the agent work, write everything down."""
    from palme.agent import Agent, AgentLimits
    from palme.cli.rig.build import PRIVILEGED, build_rig
    from palme.cli.rig.console_logger import ConsoleLogger
    from palme.cli.rig.scene_from_text import scene_for, task_of
    from palme.cli.rig.trajectory_log import TrajectoryLog
    from palme.report.log import EventLog
    from palme.report.record import RunRecord
    from robots.errors import RobotError
    from robots.executor import Executor

    remote = config["robot"]["name"] == "bridge"
    scene = task = None
    if remote and config["scene"] and not config["bridge"]["table"]:
        raise UsageError(
            f"scene={config['scene']}: a served arm acts on the table that is there; bridge.table=true sets "
            "it, where the server was started with table=true"
        )
    if not remote or config["bridge"]["table"]:
        scene = scene_for(sentence, config["seed"], config["distractors"], config["scene"])
    rig = build_rig(config, config["seed"])
    out = Path(config["out"])
    out.mkdir(parents=True, exist_ok=True)
    details = _details(sentence, config)
    if scene is not None and rig.table is not None:
        (out / "scene.yaml").write_text(scene.to_yaml(), encoding="utf-8")
        rig.table.load(scene, SETTLE_TICKS)
        task = task_of(sentence, scene.state)
    else:
        rig.arm.rearm()  # the person who typed the command has the arm move, on the table that is there
    if hasattr(rig.planner, "task"):
        rig.planner.task = task
    record = RunRecord(details=details, warnings=rig.warnings)
    tape = (
        None if rig.world is None else TrajectoryLog(rig.arm, rig.world, sentence)
    )  # only a world of our own can be filmed
    robot = rig.arm if tape is None else tape
    recording = recorder = pictures = None
    with ExitStack() as undo:
        if config["console"] or config["teleop"]:
            from palme.cli.rig.operator_session import beside

            pictures = beside(rig.arm, rig.world is not None)
            undo.callback(pictures.close)
        if config["record"]:
            from palme.cli.rig.recording import Recording

            recording = Recording(config["record"], rig, config)
            robot = recorder = recording.begin(robot, sentence, scene, SETTLE_TICKS, config["seed"], pictures)
        assisted = _assisted(robot, rig, config, pictures)
        undo.pop_all()
    with EventLog(out / "events.jsonl", instruction=sentence, **details) as log:
        listeners: tuple[Any, ...] = (record, log, ConsoleLogger())
        watching = tuple(part for part in (tape, recorder) if part is not None)  # these read the simulator
        planner, policy = rig.planner, rig.policy
        if assisted is None:
            listeners += watching
        else:
            robot = assisted.shared
            # what reads the simulator is asked between two ticks; the networks think beside them
            listeners += (*(assisted.alone(part) for part in watching), assisted.story)
            if recorder is not None:
                recorder.is_intervention = assisted.by_hand
            if config["planner"]["name"] in PRIVILEGED:
                planner = assisted.alone(planner)
            if config["policy"]["name"] in PRIVILEGED:
                policy = assisted.alone(policy)
        limits = AgentLimits(**config["limits"])
        agent = Agent(
            robot,
            planner,
            policy,
            Executor(robot),
            listeners,
            limits,
            refusals=(RobotError,),
            retreat=rig.retreat,
            supervisor=None if assisted is None else assisted.desk,
        )
        try:
            if assisted is not None:
                assisted.start()
            result = agent.run(sentence)
        finally:
            if assisted is not None:
                assisted.close()
                print(f"   {assisted.told()}")
        if assisted is not None and task is not None and assisted.story.instruction != sentence:
            task = task_of(assisted.story.instruction, scene.state)  # judged by what was asked for in the end
        if task is not None and rig.table is not None:
            try:
                rig.table.hold(SETTLE_TICKS)
                record.truth = task.is_success(rig.table.truth())
                log.note("simulator", goal_reached=record.truth)
            except RobotError as error:
                log.note("simulator", gone=f"{type(error).__name__}: {error}")
        if recording is not None:
            print(recording.save(record.truth))
            recording.close()
        achieved = result.done and record.truth is not False
        written = _write(out, record, tape, scene, rig, config)
        log.note("end", achieved=achieved, files=[path.name for path in written])
    print(_closing(result.done, record.truth, achieved))
    for path in written:
        print(f"  {path}")
    rig.close()
    return 0 if achieved else 1


def _assisted(robot: Any, rig: Any, config: dict[str, Any], pictures: Any) -> Any:
    """The person's place in the run; None where neither console nor device is asked for."""
    if not (config["console"] or config["teleop"]):
        return None
    from palme.cli.rig.operator_session import OperatorSession, device_named

    device = device_named(config["teleop"])
    return OperatorSession(robot, config, device, tuple(rig.arm.cameras), pictures=pictures)


def _closing(done: bool, truth: bool | None, achieved: bool) -> str:
    if achieved:
        return "achieved" if truth else "achieved, as far as the model can see"
    if done and truth is False:
        return "not achieved: the planner believes so, but the simulator finds otherwise"
    return "not achieved"


def _write(out: Path, record: Any, tape: Any, scene: Any, rig: Any, config: dict[str, Any]) -> list[Path]:
    """The film first, for the page holds it. If it fails, the page is written all the same."""
    from palme.report.joints import JointLimits
    from palme.report.run_page import run_page

    film = out / "video.mp4"
    film.unlink(missing_ok=True)
    if config["video"] and tape is not None and tape.moments:
        try:
            from palme.cli.rig.filming import make_film

            first, last = make_film(film, tape, scene, rig.arm.spec.control_hz, config["look"])
            record.picture, record.final_picture = first, last
        except KeyboardInterrupt:
            film.unlink(missing_ok=True)
            print("film: stopped by Ctrl-C, left out", file=sys.stderr)
        except Exception as error:  # the run is what counts; its report must not be lost to an encoder
            film.unlink(missing_ok=True)
            print(f"film: {type(error).__name__}: {error}; the report goes without it", file=sys.stderr)
    spec = rig.arm.spec
    limits = JointLimits(spec.joint_names, spec.q_min, spec.q_max, spec.dq_max)
    report = out / "report.html"
    page = run_page(record, limits, spec.control_hz, film if film.exists() else None)
    report.write_text(page, encoding="utf-8")
    return [path for path in (film, report, out / "events.jsonl") if path.exists()]


def _details(sentence: str, config: dict[str, Any]) -> dict[str, Any]:
    from datetime import date
    from importlib.metadata import PackageNotFoundError, version

    from palme.cli.evaluation.results import commit

    try:
        release = version("palme-stack")
    except PackageNotFoundError:
        release = "checkout"
    return {
        "date": date.today().isoformat(),
        "seed": config["seed"],
        "arm": config["robot"]["name"],
        "planner": config["planner"]["name"],
        "policy": config["policy"]["name"],
        "version": release,
        "commit": commit(),
    }
