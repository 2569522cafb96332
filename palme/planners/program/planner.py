"""The program planner: a sentence is read once as a program, which then decides each step from what is seen.

Reading is the language model's alone, before anything moves. What the program means is fixed on the first
pictures: which things by identity, and what shall hold. From then on the goals, looked up in each new
picture, say what is next, so that what came undone is done again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from palme.errors import Answer, LookAgain, NoMotion, Question, Stuck
from palme.language.programs.things import Noun
from palme.perception.objects import PerceivedObjects
from palme.planners.base import Context, PlannedStep, Verdict, listed
from palme.planners.program.asking import understood, understood_with
from palme.planners.program.goals import Goal, InBowl, On, OnTable
from palme.planners.program.hindered import hindered
from palme.planners.program.interpreter import Intent, Refused, interpret
from palme.planners.program.known_better import known_better
from palme.planners.program.program_goal import ProgramGoal
from palme.planners.program.reader import Reader
from palme.planners.program.scene import SeenScene
from palme.planners.program.select import Ambiguous
from palme.planners.program.step_check import check, moved_besides
from palme.planners.program.task_plan import CannotGoOn, NextStep, TaskPlan
from palme.planners.program.which import cancels, meant
from robots.skills import DONE, TABLE, Step
from robots.types import Observation

LOOKS = 2
"""Pictures before anything is said in which one alone may be wrong: an answer, a refusal, a question."""
LOOKS_AFTER = 2
"""Pictures after a step before it is said that all is done."""


class ProgramPlanner:
    """A `Planner`; what it knows of a run is in the goal that the agent keeps (`ProgramGoal`).

    Args:
        reader: of sentences.
        detector: observation -> what is on the table.
    """

    def __init__(self, reader: Reader, detector: Callable[[Observation], PerceivedObjects]) -> None:
        self._reader, self._detector = reader, detector

    def next_step(self, context: Context) -> PlannedStep:
        """See `Planner.next_step`.

        Raises:
            LookAgain: another picture would make sure; `Answer`, `Question`, `Stuck`, `NoMotion`.
        """
        goal = self._kept(context) or self._begun(context)
        goal.see(context.observation, self._detect(goal, context.observation))
        scene = goal.scene = hindered(goal.scene, context.blocked)
        begun = bool(context.history)
        plan = goal.plan or self._understood(goal, context)
        if context.blocked:
            _go_around(goal, plan)
        try:
            following = plan.next(scene, context.blocked)
            if following is None and (more := known_better(goal)) is not None:
                plan.turn(more)
                following = plan.next(scene, context.blocked)
        except CannotGoOn as error:
            words: NoMotion = Stuck(str(error), goal) if begun else NoMotion(str(error), goal)
            raise _look_again(goal, words) from error
        if following is None:
            done = PlannedStep(DONE, _as_it_is(plan, scene), 1.0, None, goal.objects, goal, _closing(goal))
            if goal.looks < (LOOKS_AFTER if goal.last is not None else LOOKS):
                raise LookAgain("I look again before I say that it is done.", goal, done)
            return done
        goal.stepped(following)
        why = _why(following, scene) + _before(context)
        return PlannedStep(following.step, why, goal.reading.probability, None, goal.objects, goal)

    def was_successful(self, context: Context, step: Step) -> Verdict:
        """See `Planner.was_successful`: whether what the step is for is so in the picture."""
        goal = self._kept(context) or self._begun(context)
        objects = self._detect(goal, context.observation)
        scene = goal.see(context.observation, objects)
        if step.is_done:
            return self._is_done(goal, scene)
        last = goal.last
        if last is None or last.step != step:
            last = _meant_by(step, scene)
        if last is None:
            return Verdict(False, None, f"I do not see what {step.text!r} is about", unsure=True)
        verdict = check(last.then, scene, objects, goal.tracker.rows)
        besides = moved_besides(goal.before, scene, last.then) if last is goal.last else ""
        return verdict if not besides else Verdict(
            verdict.success, verdict.probability, f"{verdict.reason}; {besides}".strip("; "), verdict.unsure
        )  # fmt: skip

    # ---- inside ----

    def _begun(self, context: Context) -> ProgramGoal:
        """What the instruction asks for. Raises Question, NoMotion: it is not clear, or not understood."""
        return ProgramGoal(
            context.instruction, *understood_with(self._reader, context.instruction, context.answers)
        )

    def _kept(self, context: Context) -> ProgramGoal | None:
        goal = context.goal
        same = isinstance(goal, ProgramGoal) and goal.instruction == context.instruction
        return goal if same and isinstance(goal, ProgramGoal) else None

    def _detect(self, goal: ProgramGoal, observation: Observation) -> PerceivedObjects:
        kept = goal.detected(observation)
        return self._detector(observation) if kept is None else kept

    def _understood(self, goal: ProgramGoal, context: Context) -> TaskPlan:
        """What the program asks for on the present scene.

        Raises:
            LookAgain, Answer, Question, NoMotion: nothing is to be done, or it is not clear what.
        """
        intent = self._intent(goal, list(context.answers[goal.spent :]))
        plan = goal.begin(intent)
        if intent.answers and not intent.goals:
            raise _look_again(goal, Answer(" ".join(intent.answers), goal))
        return plan

    def _intent(self, goal: ProgramGoal, answers: list[str]) -> Intent:
        settled: dict[Noun, tuple[int, ...]] = {}
        goal.settled = settled
        program, again = goal.reading.program, ""
        while True:
            try:
                return interpret(program, goal.scene, settled)
            except Refused as refused:
                which = refused.which
                if which is None:
                    words = NoMotion(str(refused), goal)
                    raise (words if refused.said else _look_again(goal, words)) from refused
                if not answers:
                    raise _look_again(goal, Question(f"{again}{refused}", goal)) from refused
                answer = answers.pop(0)
                found = self._meant(answer, which, goal.scene)
                if found is not None:
                    settled[which.noun] = found
                elif (other := self._with_answer(goal, answer)) is not None:
                    return other
                else:
                    again = f"I do not understand “{answer}”. "

    def _with_answer(self, goal: ProgramGoal, answer: str) -> Intent | None:
        """The sentence with the answer in it, read as one; None where that is not clear either."""
        try:
            reading = understood(self._reader, f"{goal.instruction.rstrip(' .!?')}, {answer}")
            intent = interpret(reading.program, goal.scene)
        except (NoMotion, Refused):
            return None
        goal.reading, goal.settled = reading, {}
        return intent

    def _meant(self, answer: str, which: Ambiguous, scene: SeenScene) -> tuple[int, ...] | None:
        """Those that a person's answer means; None = it is not understood. Raises NoMotion: none."""
        if cancels(answer):
            raise NoMotion("Nothing is done, as you say.")
        return meant(answer, which.ids, scene)

    def _is_done(self, goal: ProgramGoal, scene: SeenScene) -> Verdict:
        if goal.plan is None:
            return Verdict(False, None, "nothing was begun")
        try:
            left = goal.plan.next(scene)
        except CannotGoOn as error:
            return Verdict(False, None, str(error), unsure=True)
        return Verdict(left is None, 1.0 if left is None else 0.0, "" if left is None else _why(left, scene))


def _look_again(goal: ProgramGoal, words: NoMotion) -> NoMotion:
    """`words`, once enough pictures say the same."""
    if goal.looks >= LOOKS:
        return words
    if not goal.last:
        goal.plan = None  # it is understood anew from the next picture
    return LookAgain(str(words), goal, words)


def _go_around(goal: ProgramGoal, plan: TaskPlan) -> None:
    """Where other things or places do as well, `plan` goes on with those that the arm was not kept from."""
    facts = goal.scene.shut, goal.scene.hard
    if facts == (goal.start.shut, goal.start.hard):
        return
    goal.start = replace(goal.start, shut=facts[0], hard=facts[1])
    try:
        plan.turn(interpret(goal.reading.program, goal.start, goal.settled))
    except Refused:  # no others do
        return


def _before(context: Context) -> str:
    """That the arm was kept from the last step, for a person; "" = it was not."""
    if not (context.blocked and context.history and context.blocked[-1].step == context.history[-1][0]):
        return ""
    return f"; I could not do the last step: {context.blocked[-1].obstacle}"


def _why(following: NextStep, scene: SeenScene) -> str:
    what = following.then.what
    thing = scene[what]
    where = "on the table" if thing.holder is None else (
        f"{'in' if scene[thing.holder].is_bowl else 'on'} {scene.called(thing.holder)}"
    )  # fmt: skip
    words = f"{scene.called(what)} is {where}; {following.why}"
    return words[:1].upper() + words[1:]


def _as_it_is(plan: TaskPlan, scene: SeenScene) -> str:
    """What holds now, for a person."""
    said = list(dict.fromkeys(goal.said(scene) for goal in plan.intent.goals if goal in plan.intent.final))
    return f"As wanted: {listed(said)}." if said else "There is nothing to do."


def _closing(goal: ProgramGoal) -> str:
    plan = goal.plan
    if plan is None:
        return ""
    parts = [_as_it_is(plan, goal.scene), *plan.intent.answers]
    moved = [goal.scene.called(one.what) for one in plan.broken(goal.scene)]
    if moved:
        parts.append(f"But {listed(moved)} moved, which I was not to touch.")
    return " ".join(parts)


def _meant_by(step: Step, scene: SeenScene) -> NextStep | None:
    """What shall hold after a step that a person typed; None where it is not clear which things it names."""
    what = [thing.id for thing in scene if thing.name == step.what]
    target = [thing.id for thing in scene if thing.name == step.target]
    if len(what) != 1 or (step.target != TABLE and len(target) != 1):
        return None
    then: Goal = OnTable(what[0])
    if step.target != TABLE:
        then = InBowl(what[0], target[0]) if step.skill == "put_in" else On(what[0], target[0])
    return NextStep(step, "", then)
