"""CLIP beside the detector: phrases find things, what is not clear is asked, outcomes are judged by pictures.

The CLIP here knows eight colours: a picture's vector is made of the colours in its middle, a text's of the
colour words in it, those behind "in" or "on" with half the weight.
"""

from dataclasses import replace

import numpy as np
import pytest

from palme.errors import NoMotion, Question
from palme.perception.objects import PerceivedObjects
from palme.planners.base import Context, PlannedStep, Verdict
from palme.planners.clip.judged import JudgedByClip, place_of
from palme.planners.clip.naming import Namer, detail_of, said
from palme.planners.clip.outcome import OutcomeJudge, Wanted
from palme.planners.clip.planner import ClipPlanner, read_order
from robots.skills import COLOURS, DONE, ENTITIES, Step
from robots.types import CameraFrame, Observation, RobotState

RGB = {"red": (200, 0, 0), "blue": (0, 0, 200), "green": (0, 150, 0), "yellow": (220, 220, 0)}
FOCAL, SIZE = 300.0, (240, 176)
POSE = np.eye(4)
POSE[:3, :3] = np.diag([1.0, -1.0, -1.0])
POSE[:3, 3] = [0.0, 0.0, 1.0]
K = np.array([[FOCAL, 0, 119.5], [0, FOCAL, 87.5], [0, 0, 1.0]])
Thing = tuple[str, float, float]  # name such as "red block", x and y in [m]


class ColourClip:
    """See module."""

    scale, least = 20.0, 0.3

    def images(self, rgb: np.ndarray) -> np.ndarray:
        rows = []
        for picture in rgb:
            row = np.full(len(COLOURS) + 1, 1e-3)
            for weight, width in ((1.0, 6), (0.5, 24)):  # what is in the middle, and around it
                middle = picture[32 - width : 32 + width, 32 - width : 32 + width].reshape(-1, 3).astype(int)
                for name, colour in RGB.items():
                    share = (np.abs(middle - colour).max(1) < 30).mean()
                    row[COLOURS.index(name)] = max(row[COLOURS.index(name)], weight * (share > 0.2))
            rows.append(row / np.linalg.norm(row))
        return np.array(rows, np.float32)

    def texts(self, texts: list[str]) -> np.ndarray:
        rows = []
        for text in texts:
            words, row = text.replace(",", "").split(), np.full(len(COLOURS) + 1, 1e-3)
            split = next((k for k, word in enumerate(words) if word in ("in", "on", "with")), len(words))
            for k, word in enumerate(words):
                if word in COLOURS:
                    row[COLOURS.index(word)] = 1.0 if k < split or split == len(words) else 0.5
            if "nothing" in words:
                row *= 1.0
            rows.append(row / np.linalg.norm(row))
        return np.array(rows, np.float32)


def picture(*things: Thing) -> CameraFrame:
    rgb = np.full((SIZE[1], SIZE[0], 3), 120, np.uint8)
    for name, x, y in sorted(things, key=lambda thing: "bowl" not in thing[0]):
        u, v = round(FOCAL * x + 119.5), round(-FOCAL * y + 87.5)
        half = 15 if name.endswith("bowl") else 5
        rgb[v - half : v + half, u - half : u + half] = RGB[name.split()[0]]
    return CameraFrame(rgb, None, K, POSE)


def observed(*things: Thing, camera: str = "front") -> Observation:
    state = RobotState(np.zeros(7), np.zeros(7), 1.0, np.eye(4))
    return Observation({camera: picture(*things), "front": picture(*things)}, state, 0.0)


def detected(*things: Thing, called: str = "") -> PerceivedObjects:
    """A detector that knows solids from bowls and places; `called` is its name for every solid."""
    n = len(things)
    probs = np.zeros((n, len(ENTITIES)), np.float32)
    for k, (name, _, _) in enumerate(things):
        own = name if name.endswith("bowl") or not called else called
        probs[k, ENTITIES.index(own)] = 1.0
    xyz = np.array([[x, y, 0.004 if name.endswith("bowl") else 0.034] for name, x, y in things], np.float32)
    return PerceivedObjects(
        probs, np.tile([1.0, 0.0], (n, 1)).astype(np.float32), xyz, np.eye(n, n + 1, dtype=np.float32),
        np.ones(n, np.float32), np.zeros((n, 4), np.float32), np.zeros((n, 2), np.float32),
    )  # fmt: skip


THINGS: tuple[Thing, ...] = (
    ("red block", -0.2, 0.1), ("green block", 0.0, 0.15),
    ("blue bowl", 0.2, 0.0), ("yellow bowl", -0.1, -0.15),
)  # fmt: skip


def planner(*things: Thing, called: str = "cyan cylinder") -> ClipPlanner:
    found = detected(*things, called=called)
    return ClipPlanner(lambda observation: found, Namer(ColourClip()), OutcomeJudge(ColourClip()))


@pytest.mark.parametrize(
    ("sentence", "what", "target", "is_in"),
    [
        ("put the shiny one in the striped bowl", "the shiny one", "the striped bowl", True),
        ("Please place a red duck into the blue bowl.", "a red duck", "the blue bowl", True),
        ("stack the dotted block on top of the plaid one!", "the dotted block", "the plaid one", False),
        ("move the mug onto the table", "the mug", "table", False),
    ],
)
def test_an_order_is_read_as_two_phrases(sentence: str, what: str, target: str, is_in: bool) -> None:
    order = read_order(sentence)
    assert (order.what, order.target, order.is_in) == (what, target, is_in)


@pytest.mark.parametrize(
    "sentence",
    ["is the duck red?", "put all ducks in the bowl", "put the duck in the bowl and wait", "dance", ""],
)
def test_what_is_no_single_order_is_refused_with_the_remedy(sentence: str) -> None:
    with pytest.raises(NoMotion, match="planner=auto"):
        read_order(sentence)


def test_phrases_are_said_as_captions() -> None:
    assert said("the shiny one.") == "a shiny one"
    assert said("An orange duck") == "an orange duck"
    wanted = Wanted("the red block", "the blue bowl", is_in=True)
    assert wanted.text == "a red block in a blue bowl"
    found = wanted.others
    assert "a blue bowl with nothing in it" in found
    assert "a green block in a blue bowl" in found
    assert "a red block in a blue bowl" not in found


def test_the_step_names_the_place_whatever_the_detector_calls_the_thing() -> None:
    plan = planner(*THINGS).next_step(Context("put the red thing in the yellow one", observed(*THINGS)))
    assert plan.step.what == "cyan cylinder"
    assert plan.step.what_at == pytest.approx((-0.2, 0.1, 0.034), abs=1e-3)
    assert plan.step.target == "yellow bowl"
    assert plan.step.target_at == pytest.approx((-0.1, -0.15, 0.004), abs=1e-3)
    assert plan.probability is not None
    assert plan.probability > 0.9


def test_where_two_fit_alike_the_planner_asks_which() -> None:
    twins = (*THINGS, ("red block", 0.05, -0.1))
    with pytest.raises(Question, match="red thing.*-0.20, 0.10.*or.*0.05, -0.10"):
        planner(*twins).next_step(Context("put the red thing in the blue bowl", observed(*twins)))


def test_where_nothing_of_the_kind_is_there_nothing_moves() -> None:
    alone = THINGS[:2]
    with pytest.raises(NoMotion, match="blue bowl"):
        planner(*alone).next_step(Context("put the red thing in the blue bowl", observed(*alone)))


def test_a_phrase_that_describes_nothing_there_is_refused() -> None:
    with pytest.raises(NoMotion, match="looks like “the pink one”"):
        planner(*THINGS).next_step(Context("put the pink one in the blue bowl", observed(*THINGS)))


def test_it_is_done_once_the_step_was_judged_successful() -> None:
    mind, sentence = planner(*THINGS), "put the red block in the blue bowl"
    plan = mind.next_step(Context(sentence, observed(*THINGS)))
    inside = (("red block", 0.2, 0.0), *THINGS[1:])
    after = Context(sentence, observed(*inside), ((plan.step, True),))
    assert mind.was_successful(after, plan.step)
    assert not mind.was_successful(Context(sentence, observed(*THINGS)), plan.step)
    assert mind.next_step(after).step == DONE
    again = Context(sentence, observed(*THINGS), ((plan.step, False),))
    assert mind.next_step(again).step == plan.step


class Fixed:
    """A planner with one step and one verdict."""

    def __init__(self, success: bool) -> None:
        self.success, self.asked = success, 0

    def next_step(self, context: Context) -> PlannedStep:
        return PlannedStep(Step.put("red block", "blue bowl"), objects=detected(*THINGS))

    def was_successful(self, context: Context, step: Step) -> Verdict:
        self.asked += 1
        return Verdict(self.success, 0.9, "planner")


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_clip_judges_in_place_of_the_planner_or_beside_it(own: bool, there: bool) -> None:
    after = observed(*((("red block", 0.2, 0.0), *THINGS[1:]) if there else THINGS))
    for both in (False, True):
        inner = Fixed(own)
        judged = JudgedByClip(inner, OutcomeJudge(ColourClip()), "front", both)
        step = judged.next_step(Context("put it in", observed(*THINGS))).step
        verdict = judged.was_successful(Context("put it in", after), step)
        assert verdict.success == (there and (own or not both))
        assert "CLIP" in verdict.reason
        assert inner.asked == int(both)


def test_steps_that_clip_cannot_judge_are_the_planners() -> None:
    inner = Fixed(True)
    judged = JudgedByClip(inner, OutcomeJudge(ColourClip()), "front")
    context = Context("put it in", observed(*THINGS))
    judged.next_step(context)
    for step in (DONE, Step.put("red block", "table"), Step.put("green block", "blue bowl")):
        assert judged.was_successful(context, step)
    assert inner.asked == 3
    assert place_of(Step.put("red block", "pink bowl"), detected(*THINGS)) is None


def test_the_detail_camera_is_looked_through_where_there_is_one() -> None:
    seen = observed(*THINGS, camera="detail")
    assert detail_of(seen, "front") is seen.images["detail"]
    assert detail_of(replace(seen, images={"front": seen.images["front"]}), "front") is seen.images["front"]
