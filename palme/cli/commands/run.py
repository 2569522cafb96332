"""`palme run "..."`: one sentence on one table, printed as it happens, with a log, a film and a report."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError, beginning
from palme.cli.exit_codes import exit_code
from palme.cli.out_lock import locked
from palme.cli.rig.run_output import (
    EVENTS,
    REPORT,
    begin_output,
    details_of,
    is_written,
    output_folder,
    write_output,
)
from palme.cli.rig.run_stage import SETTLE_TICKS, Stage, agent_on, staged
from palme.cli.settings.run import RunConfig
from palme.cli.signals import first_signal, held

if TYPE_CHECKING:
    from palme.agent import RunResult
    from palme.cli.rig.build import Rig
    from palme.cli.rig.run_judge import Judgement, RunJudge
    from palme.errors import NoMotion
    from palme.language.account.account import Reading
    from palme.planners.program.reader import Reading as ProgramReading
    from palme.report.folder import OutputFolder
    from palme.report.log import EventLog
    from sim.judging.goal_file import GoalFile
    from sim.world.scene import Scene


def main(arguments: Sequence[str]) -> int:
    """Returns 0 where the goal was achieved, or none was stated and the run is done; see `exit_codes`."""
    sentences = [word for word in arguments if not is_override(word)]
    config = load(RunConfig, [word for word in arguments if is_override(word)])
    if len(sentences) != 1 or not sentences[0].strip():
        raise UsageError('give one sentence in quotes: palme run "put the red block in the blue bowl"')
    if config.dry_run:
        from palme.cli.commands.run_dry import dry_run

        return dry_run(sentences[0].strip(), config)
    with locked(config.out):
        return run(sentences[0].strip(), config)


def _check_person(config: RunConfig) -> None:
    from palme.cli.rig.terminal import on_terminal

    if config.confirm and not config.console and not on_terminal():
        raise UsageError(
            "confirm=true waits for a yes, and there is no terminal to type it on; leave it out, or "
            "console=true"
        )


def run(sentence: str, config: RunConfig) -> int:
    """Prepare the table, let the agent work, check the result, write the report."""
    from palme.cli.rig.run_judge import read_goal
    from palme.errors import NoMotion

    _check_person(config)
    goal = read_goal(config.goal)
    if note := config.planner.note:
        print(note)
    scene = None if config.scene is None else _scene(sentence, config)  # a bad file is said at once
    try:
        with beginning():
            reading = config.planner.read(sentence)
    except NoMotion as refusal:  # nothing is connected yet, and no scene is loaded
        doubted = _doubted(refusal, config)
        if doubted is None:
            return _refuse(sentence, config, str(refusal))
        reading = doubted  # the planner asks once it sees the table, and nothing moves before a yes
    scene = scene or _scene(sentence, config, reading)
    rig = _rig(config)
    try:
        with held("finishing"):  # a signal ends a motion or a film, and never what is being saved
            return _carried_out(sentence, config, rig, scene, (reading, goal))
    finally:
        rig.close()


def _doubted(refusal: NoMotion, config: RunConfig) -> ProgramReading | None:
    """The reading that a person can be asked about; None = there is none, or nobody."""
    from palme.cli.rig.terminal import on_terminal
    from palme.errors import Question

    if not isinstance(refusal, Question) or not (config.console or on_terminal()):
        return None
    doubted: ProgramReading | None = refusal.reading
    return doubted


def _carried_out(
    sentence: str,
    config: RunConfig,
    rig: Rig,
    scene: Scene | None,
    asked: tuple[Reading | ProgramReading, GoalFile | None],
) -> int:
    with beginning():
        folder = output_folder(config)
        stage = staged(sentence, config, rig, scene, _set_table(rig, sentence, scene, *asked))
    try:
        return _run_on(stage, folder)
    finally:
        if stage.session is not None:
            stage.session.close()


def _run_on(stage: Stage, folder: OutputFolder) -> int:
    from palme.cli.rig.console_logger import ConsoleLogger
    from palme.cli.rig.run_judge import closing
    from palme.report.log import EventLog
    from palme.report.outcome import first_command
    from palme.report.record import RunRecord

    begin_output(folder, stage.scene)
    details, events = details_of(stage.config), folder.path / EVENTS
    record = RunRecord(details=details, warnings=stage.rig.warnings)
    failed = partial(folder.failed, EVENTS)
    spec = stage.rig.arm.spec
    with EventLog(events, failed, folder.write_picture, spec, instruction=stage.sentence, **details) as log:
        try:
            result = _act(stage, (record, log, ConsoleLogger(), stage.judge))
            judgement = _judgement(stage, result, log)
            if judgement is not None:
                record.truth = None if judgement.goal is None else judgement.goal.holds
                record.besides = judgement.moved_besides()
            if stage.session is not None:
                stage.session.judge(record.truth)
        finally:  # whatever happened: what was recorded is kept
            lost = _save(stage, record.truth, log)
        achieved = None if stage.config.goal is None else result.done and record.truth is True
        record.warnings += lost
        written = write_output(folder, record, stage)
        files = [path.name for path in written]
        log.note("end", achieved=achieved, done=result.done, files=files, missing=folder.missing)
    answered = result.finished.cause == "answered"
    print("answered; nothing was moved" if answered else closing(result.done, judgement, achieved))
    if first := first_command(result.finished):
        print(first)
    for path in written:
        print(f"  {path}")
    for name, why in folder.missing.items():
        print(f"  {folder.path / name}: not written: {why}")
    if stage.session is not None and first_signal() in (None, signal.SIGINT):
        stage.session.linger()
    stopped = result.finished.cause == "stopped"
    succeeded = (result.done or answered) if achieved is None else achieved
    return exit_code(succeeded, recorded=not lost, written=not folder.missing, stopped=stopped)


def _save(stage: Stage, truth: bool | None, log: EventLog) -> tuple[str, ...]:
    """Save the recording. Returns what a report says of an episode that was lost."""
    recording = stage.recording
    if recording is None:
        return ()
    with held("saving the episode"):
        print("record: saving")
        print(recording.save(truth))
        recording.close()
    if not recording.fault:
        return ()
    log.note("recording", path=str(recording.path), lost=recording.fault)
    return (f"The episode was not recorded: {recording.fault}",)


def _scene(sentence: str, config: RunConfig, reading: Reading | ProgramReading | None = None) -> Scene | None:
    """What shall stand on the table; None where a served arm acts on the table that is there."""
    from palme.cli.rig.scene_from_text import scene_for
    from palme.planners.program.reader import Reading as ProgramReading

    if config.robot.is_remote and not config.remote.table:
        return None
    program = reading.program if isinstance(reading, ProgramReading) else None
    return scene_for(sentence, config.seed, config.distractors, config.scene, program)


def _rig(config: RunConfig) -> Rig:
    from palme.cli.rig.build import build_rig

    if config.has_operator:  # before the networks load
        from palme.cli.rig.operator_session import check_operator

        check_operator(config, config.teleop)
    return build_rig(config, config.seed)


def _set_table(
    rig: Rig,
    sentence: str,
    scene: Scene | None,
    reading: Reading | ProgramReading,
    goal: GoalFile | None,
) -> RunJudge:
    """Load the scene, or arm a served arm as it stands. Returns who judges the run."""
    from palme.cli.rig.account import task_for
    from palme.cli.rig.run_judge import RunJudge
    from palme.language.account.account import Reading

    if scene is None or rig.table is None:
        judge = RunJudge(None, goal)
        rig.arm.rearm()  # the person who typed the command asks for motion on the table that is there
        return judge
    rig.table.load(scene, SETTLE_TICKS)
    if isinstance(reading, Reading):
        task = task_for(reading, sentence)
        names = {spec.name for spec in scene.state.objects}
        rig.set_goal(task if {w.replace("_", " ") for w in reading.goal.order} <= names else None)
    return RunJudge(rig.table, goal)


def _act(stage: Stage, listeners: tuple[Any, ...]) -> RunResult:
    """Let the agent work, with the operator's session open meanwhile."""
    agent, session = agent_on(stage, listeners), stage.session
    try:
        if session is None:
            return agent.run(stage.sentence)
        result = session.carry_out(lambda: agent.run(stage.sentence))
    finally:
        stage.lines.close()
    print(f"   {session.told()}")
    return result


def _judgement(stage: Stage, result: RunResult, log: EventLog) -> Judgement | None:
    """What came of the run; None where the table does not answer any more."""
    from robots.errors import RobotError

    try:
        if stage.rig.table is not None:
            stage.rig.table.hold(SETTLE_TICKS)
        judgement = stage.judge.judgement(result.begun)
    except RobotError as error:
        log.note("judgement", gone=f"{type(error).__name__}: {error}")
        return None
    log.note("judgement", **judgement.fields())
    return judgement


def _refuse(sentence: str, config: RunConfig, why: str) -> int:
    """Answer instead of acting: no arm is connected, no scene loaded, nothing moves."""
    from palme.events import Finished
    from palme.report.log import EventLog
    from palme.report.refusal_page import refusal_page

    folder, details = output_folder(config), details_of(config)
    begin_output(folder, None)
    folder.write_text(REPORT, refusal_page(sentence, why, details))
    with EventLog(
        folder.path / EVENTS, partial(folder.failed, EVENTS), instruction=sentence, **details
    ) as log:
        log(Finished(0.0, False, "refused", why, 0, 0))
        written = [folder.path / name for name in (REPORT, EVENTS) if is_written(folder, name)]
        files = [path.name for path in written]
        log.note("end", achieved=False, done=False, files=files, missing=folder.missing)
    print(f"{why}\nnot achieved: refused, nothing was moved")
    for path in written:
        print(f"  {path}")
    return exit_code(False, written=not folder.missing)
