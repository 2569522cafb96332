"""What the planner keeps of one instruction, from its reading to the end of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from palme.language.programs.things import Noun
from palme.perception.hidden import is_empty
from palme.perception.objects import PerceivedObjects
from palme.planners.base import ReadLine, Understanding
from palme.planners.program.free_places import NoRoom
from palme.planners.program.interpreter import Intent
from palme.planners.program.placing import after
from palme.planners.program.reader import Reading
from palme.planners.program.scene import SeenScene
from palme.planners.program.task_plan import NextStep, TaskPlan
from palme.planners.program.tracker import Tracker
from robots.types import Observation


@dataclass
class ProgramGoal:
    """A `KeptGoal`.

    Attributes:
        instruction: a person's sentence.
        reading: of it, or of it with a person's answer.
        spent: answers of a person that it took to read it; later ones say which things are meant.
        tracker: of the things on the table.
        looks: pictures since the arm moved last.
        scene: in the last picture.
        start: as it was when the program was interpreted.
        plan: None until the program is interpreted.
        settled: what a person said that a noun means.
        last: the step that was planned last, and `before`: the scene that it was planned on.
    """

    instruction: str
    reading: Reading
    spent: int = 0
    tracker: Tracker = field(default_factory=Tracker)
    looks: int = 0
    scene: SeenScene = SeenScene(())
    start: SeenScene = SeenScene(())
    plan: TaskPlan | None = None
    settled: Mapping[Noun, tuple[int, ...]] = field(default_factory=dict)
    last: NextStep | None = None
    before: SeenScene = SeenScene(())
    objects: PerceivedObjects | None = None
    _seen: Observation | None = None

    order: tuple[str, ...] = ()
    """Nothing: what is not seen has no id, and is not acted on."""

    def see(self, observation: Observation, objects: PerceivedObjects) -> SeenScene:
        """Enter what was detected in a picture; the same one again changes nothing."""
        if observation is not self._seen:
            self.scene = self.tracker.update(objects, self._expected(), lambda at: is_empty(observation, at))
            self.looks += 1
            self._seen, self.objects = observation, objects
        return self.scene

    def detected(self, observation: Observation) -> PerceivedObjects | None:
        """What was detected in the last picture, if `observation` is that."""
        return self.objects if observation is self._seen else None

    def begin(self, intent: Intent) -> TaskPlan:
        """Keep what the program asks for on the present scene."""
        self.start, self.plan = self.scene, TaskPlan(intent)
        return self.plan

    def stepped(self, step: NextStep) -> None:
        """Keep the step that is carried out now."""
        self.last, self.before, self.looks = step, self.scene, 0

    @property
    def text(self) -> str:
        """See `KeptGoal`."""
        return self.understanding.text

    @property
    def understanding(self) -> Understanding:
        """See `KeptGoal`."""
        intent = None if self.plan is None else self.plan.intent
        reading, start = self.reading, self.start
        lines = () if intent is None else intent.lines
        moved = () if intent is None else tuple(dict.fromkeys(goal.what for goal in intent.goals))
        kept = () if intent is None else tuple(sorted(intent.keep))
        return Understanding(
            reading.program.pretty,
            tuple(
                ReadLine(line.text, tuple((start.called(id), start[id].xyz) for id in line.found), line.said)
                for line in lines
            ),
            tuple(start.called(id) for id in moved),
            tuple(start.called(id) for id in kept),
            reading.probability,
            reading.seconds,
            reading.confidence,
        )

    def _expected(self) -> SeenScene | None:
        """Where things are if the last step was carried out."""
        if self.last is None:
            return None
        try:
            return after(self.before, self.last.then)
        except NoRoom:
            return None
