"""Planning: what an agent and its planner have to do with each other in one run, words included.

It keeps what the instruction was read as, takes another picture where one does not tell, asks a person what
the planner asks, says what was understood before anything moves, and waits for a yes where that is wanted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from palme.errors import LookAgain, NoMotion, Question
from palme.events import Asked, Event, Planned, Understood
from palme.language.account.account import Account, Reading
from palme.language.yes import is_yes
from palme.perception.objects import PerceivedObjects
from palme.planners.base import Blocked, Context, KeptGoal, PlannedStep, Planner, Verdict, by_name
from palme.supervision import Person
from robots.skills import ENTITIES, TABLE, BadStep, Step
from robots.types import Observation

LOOKS = 3
"""Pictures of one state of the table, at most."""
QUESTIONS = 4
"""Questions about one instruction, at most."""
History = Sequence[tuple[Step, bool]]


class Planning:
    """See module.

    Args:
        planner: see `palme.planners.base.Planner`.
        account: see `palme.agent.Agent`.
        person: see `palme.agent.Agent`.
        confirm: see `palme.agent.Agent`.
        observe: takes the planner's pictures.
        emit: tells the listeners of an event.
        now: [s] since the run began.

    Attributes:
        objects: as the planner saw them last.
        seconds: in the planner, in all: to plan, and to judge.
        failures: why each step of the run failed; see `Context`, and there `blocked`.
        read_s: [s] that the reading of the instruction took, of the seconds to plan.
    """

    def __init__(
        self,
        planner: Planner,
        account: Account | None,
        person: Person | None,
        confirm: bool,
        observe: Callable[[], Observation],
        emit: Callable[[Event], None],
        now: Callable[[], float],
    ) -> None:
        self._planner, self._account, self._person, self._confirm = planner, account, person, confirm
        self._observe, self._emit, self._now = observe, emit, now
        self.objects: PerceivedObjects | None = None
        self.seconds = {"plan": 0.0, "judge": 0.0}
        self.failures: list[str] = []
        self.blocked: list[Blocked] = []
        self.read_s = 0.0
        self._goal: tuple[str, KeptGoal] | None = None  # the instruction and what it was read as
        self._told = ""  # the instruction that was said to be understood
        self._agreed = ""  # the instruction that a person confirmed
        self._answers: tuple[str, tuple[str, ...]] = ("", ())  # the instruction, a person's answers
        self._seen: set[str] = set()  # names of all that was seen in the run

    def next_step(
        self, instruction: str, observation: Observation, history: History
    ) -> tuple[PlannedStep, Observation]:
        """The next step, and the observation that it was planned on.

        Raises:
            NoMotion: the planner has words instead, or a person does not want it.
        """
        while True:
            before = self.seconds["plan"]
            try:
                plan, observation = self._looked(instruction, observation, history)
                seconds = self.seconds["plan"] - before
                self._tell(instruction, plan.goal, observation, len(history))
                self._confirmed(instruction, plan, len(history))
                break
            except Question as question:
                try:
                    observation = self._asked(instruction, question, len(history))
                except Question:
                    self._tell(instruction, question.goal, observation, len(history), read=True)
                    raise
            except NoMotion as words:
                self._tell(instruction, words.goal, observation, len(history), read=True)
                raise
        planned = Planned(
            t=self._now(),
            index=len(history),
            step=plan.step,
            rationale=plan.rationale,
            seconds=seconds,
            observation=observation,
            sentence=plan.sentence,
            objects=plan.objects,
            probability=plan.probability,
        )
        self._emit(planned)
        return plan, observation

    def judge(
        self, instruction: str, observation: Observation, step: Step, history: History
    ) -> tuple[Verdict, Observation]:
        """The planner's verdict on `step`; where one picture does not tell, another is taken."""
        for look in range(LOOKS):
            if look:
                observation = self._observe()
            begin = time.perf_counter()
            context = self._context(instruction, observation, history)
            verdict = self._planner.was_successful(context, step)
            self.seconds["judge"] += time.perf_counter() - begin
            if not verdict.unsure:
                break
        return verdict, observation

    def unseen(self, plan: PlannedStep) -> str | None:
        """What `plan` acts on although nothing of the kind was seen in this run; None = all was.

        What was seen once counts as there: a detector may lose it in a pile.
        """
        if plan.objects is None or plan.step.is_done:
            return None
        self._seen |= {name for name in ENTITIES if plan.objects.sees(name)}
        try:
            step = by_name(plan)
        except BadStep:  # of an object that is not listed; the agent says so
            return None
        needed = [*(plan.goal.order if plan.goal is not None else ()), step.what, step.target]
        names = (name.replace("_", " ") for name in needed)
        return next((name for name in names if name not in (TABLE, *self._seen)), None)

    # ---- inside ----

    def _looked(
        self, instruction: str, observation: Observation, history: History
    ) -> tuple[PlannedStep, Observation]:
        """The plan from as many pictures as it takes.

        A language model names what the sentence names, whether it is there or not: so a second look.
        """
        missing: str | None = None
        for look in range(LOOKS):
            if look:
                observation = self._observe()
            try:
                plan = self._plan(instruction, observation, history)
            except LookAgain as again:
                if look + 1 < LOOKS:
                    self._goal = (instruction, again.goal)
                    continue
                if isinstance(again.otherwise, NoMotion):
                    raise again.otherwise from again
                plan = again.otherwise
            before, missing = missing, self.unseen(plan)
            if missing is None:
                return plan, observation
            if before is not None:
                break
        raise NoMotion(f"I do not see the {missing} on the table, so I do not {plan.step.text}.")

    def _plan(self, instruction: str, observation: Observation, history: History) -> PlannedStep:
        begin = time.perf_counter()
        try:
            reading = self._accounted(instruction)
            plan = self._planner.next_step(self._context(instruction, observation, history))
        finally:
            self.seconds["plan"] += time.perf_counter() - begin
        self.objects = plan.objects
        if plan.goal is not None and (self._goal is None or self._goal[0] != instruction):
            seen = () if plan.objects is None else [plan.objects.name(i) for i in range(len(plan.objects))]
            if reading is not None and not reading.allows(plan.goal, seen):
                raise NoMotion(
                    f"I am not sure what is meant: {plan.goal.text}, or {reading.goal.text}? "
                    "Say it more plainly."
                )
            self._goal = (instruction, plan.goal)
        return plan

    def _accounted(self, instruction: str) -> Reading | None:
        """What the account says; None = there is no account. Raises NotAccounted."""
        return None if self._account is None else self._account(instruction)

    def _context(self, instruction: str, observation: Observation, history: History) -> Context:
        kept = self._goal[1] if self._goal is not None and self._goal[0] == instruction else None
        answers = self._answers[1] if self._answers[0] == instruction else ()
        return Context(
            instruction, observation, tuple(history), kept, answers, tuple(self.failures), tuple(self.blocked)
        )

    def _tell(
        self,
        instruction: str,
        goal: KeptGoal | None,
        observation: Observation,
        index: int,
        read: bool = False,
    ) -> None:
        """Say once what the instruction was read as; with `read`, only where there is more than words."""
        if goal is None or self._told == instruction or (read and goal.understanding is None):
            return
        self._told = instruction
        if goal.understanding is not None:
            self.read_s = goal.understanding.seconds
        names = tuple(goal.order)
        self._emit(
            Understood(self._now(), index, instruction, goal.text, goal.understanding, observation, names)
        )

    def _confirmed(self, instruction: str, plan: PlannedStep, index: int) -> None:
        """Wait for a yes before the first motion for an instruction. Raises NoMotion: there is none."""
        if not self._confirm or plan.step.is_done or self._agreed == instruction:
            return
        what = plan.step.text if plan.goal is None else plan.goal.text
        answer = self._answered(f"{what} Shall I?" if what.endswith(".") else f"{what}: shall I?", index)
        if not is_yes(answer or ""):
            raise NoMotion("Nothing is done: it was not confirmed.", plan.goal)
        self._agreed = instruction

    def _asked(self, instruction: str, question: Question, index: int) -> Observation:
        """Ask a person; returns what is to be seen after the answer. Raises the question: nobody answers."""
        given = self._answers[1] if self._answers[0] == instruction else ()
        if len(given) >= QUESTIONS:
            raise question
        answer = self._answered(str(question), index)
        if answer is None:
            raise question
        self._answers = (instruction, (*given, answer))
        return self._observe()

    def _answered(self, question: str, index: int) -> str | None:
        answer = None if self._person is None else self._person.answer(question)
        self._emit(Asked(self._now(), index, question, answer))
        return answer
