"""The reading layer alone: programs run on the true scene, their steps are carried out ideally.

No picture is taken and no arm moves, so nothing here is a success figure: it tells what is misread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from palme.cli.evaluation.suite.case_result import CaseResult, Line
from palme.language.programs.calls import Program
from palme.language.programs.prompt import SentenceTooLong
from palme.planners.program.interpreter import Intent, Refused, interpret
from palme.planners.program.reader import NotRead, NotSure, Reader, Reading
from palme.planners.program.scene import SeenScene, SeenThing
from palme.planners.program.task_plan import CannotGoOn, TaskPlan
from sim.geometry.shapes import BOWL_FLOOR, height
from sim.judging.formula import Moments
from sim.judging.ideal import NoSuchStep, carried_out, meant
from sim.judging.snapshot import Snapshot, snapshot_of
from sim.suites.laying import lay
from sim.suites.suite import Case, SuiteTable
from sim.suites.verdict import Ending, Outcome, Verdict, verdict

MAX_STEPS = 40


def read_case(case: Case, table: SuiteTable, reader: Reader, seed: int, said: str = "") -> CaseResult:
    """Read, interpret, carry out ideally, judge.

    Args:
        said: the sentence that is read; "" = the case's own.
    """
    begin = time.perf_counter()
    said = said or case.say
    start = snapshot_of(lay(table, seed, case.id))
    reading: Reading | None = None
    doubted: Verdict | None = None
    began = time.perf_counter()
    try:
        reading = reader.read(said)
        ran = run_program(reading.program, start)
    except (NotRead, SentenceTooLong) as error:
        ran = _Ran("refused", str(error), start)
        if isinstance(error, NotSure) and (reading := error.reading) is not None:
            doubted = _verdict(case, run_program(reading.program, start), start)
    seconds = time.perf_counter() - began if reading is None else reading.seconds
    return CaseResult(
        case, said, "", _verdict(case, ran, start), ran.ending, ran.told,
        program="" if reading is None else reading.program.text,
        probability=None if reading is None else reading.probability,
        confidence=None if reading is None else reading.confidence,
        if_acted_on=doubted,
        weakest=None if reading is None else reading.weakest,
        evidence=None if reading is None else reading.evidence,
        doubts=() if reading is None else reading.doubts,
        lines=ran.lines,
        steps=tuple((step, True) for step in ran.steps),
        read_ms=1e3 * seconds,
        replan_ms=ran.plan_ms,
        wall_s=time.perf_counter() - begin,
    )  # fmt: skip


def _verdict(case: Case, ran: _Ran, start: Snapshot) -> Verdict:
    return verdict(case, Outcome(ran.ending, bool(ran.steps), ran.told, Moments(start, ran.table)))


@dataclass(frozen=True)
class _Ran:
    """How a program ended, what was said, and the table then."""

    ending: Ending
    told: str
    table: Snapshot
    steps: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    plan_ms: tuple[float, ...] = ()


def run_program(program: Program, start: Snapshot) -> _Ran:
    """`program` on the true scene `start`, each of its steps carried out as it was meant."""
    scene = seen(start)
    try:
        intent = interpret(program, scene)
    except Refused as error:
        return _Ran("asked" if error.reason == "which" else "refused", str(error), start)
    lines = tuple(
        Line(line.text, ", ".join(scene[id].name for id in line.found), line.said) for line in intent.lines
    )
    return _followed(intent, start, lines)


def _followed(intent: Intent, start: Snapshot, lines: tuple[Line, ...]) -> _Ran:
    plan, table = TaskPlan(intent), start
    steps: list[str] = []
    spent: list[float] = []
    ending: Ending
    while True:
        began = time.perf_counter()
        try:
            step = plan.next(seen(table))
            spent.append(1e3 * (time.perf_counter() - began))
            if step is None:
                told = " ".join(intent.answers)
                ending = "answered" if told and not intent.goals else "done"
                return _Ran(ending, told, table, tuple(steps), lines, tuple(spent))
            if not len(steps) < MAX_STEPS:
                raise CannotGoOn(f"not done after {MAX_STEPS} steps")
            steps.append(step.step.text)
            table = carried_out(table, meant(step.step, table))
        except (CannotGoOn, NoSuchStep) as error:
            ending = "gave up" if steps else "refused"
            return _Ran(ending, str(error), table, tuple(steps), lines, tuple(spent))


def seen(table: Snapshot) -> SeenScene:
    """`table` as a detector without fault would see it; ids are indices."""
    holder = table.state.holder
    things = []
    for i, spec in enumerate(table.specs):
        x, y, z = (float(v) for v in table.positions[i])
        z += BOWL_FLOOR - height(spec) / 2 if spec.kind == "bowl" else height(spec) / 2
        things.append(SeenThing(i, spec.kind, spec.colour, spec.size, (x, y, z), holder[i]))
    return SeenScene(tuple(things))
