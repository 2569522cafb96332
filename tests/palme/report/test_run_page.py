"""What a run leaves behind: a log line an event, one page that needs nothing else, a film browsers play."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

from palme.events import Localisation
from palme.language.sentence import Sentence
from palme.models.modality import modalities
from palme.perception.objects import PerceivedObjects
from palme.report.film import Caption, Film, PlanLine
from palme.report.joints import JointLimits, joint_charts
from palme.report.log import EventLog
from palme.report.parts import sentence_html
from palme.report.pictures import crop, with_heat
from palme.report.record import RunRecord
from palme.report.run_page import run_page
from palme.report.stats import wilson
from tests.agent_fakes import FakeArm, FakePlanner, FakePolicy, agent

PUT = "put the red block in the blue bowl"


def seen(n=2):
    class_probs = np.full((n, 24), 0.001, np.float32)
    class_probs[0, 0], class_probs[1, 21] = 0.977, 0.977
    xyz = np.array([[3, -0.3, -0.2], [3, 0.2, 0.1]], np.float32)
    return PerceivedObjects(
        class_probs, np.full((n, 2), 0.5, np.float32), xyz, np.full((n, n + 1), 1 / 3, np.float32),
        np.ones(n, np.float32), np.zeros((n, 4), np.float32), np.zeros((n, 2), np.float32),
    )  # fmt: skip


class ReadingPlanner(FakePlanner):
    sentence = SimpleNamespace(
        text="<s> human : put the red_block in the <script> robot : <state> i see <obj:1> <obj:2> . next :",
        observations={"state": FakeArm().observe().robot},
    )
    objects = seen()


def a_run(planner=None, sentence=PUT, **details):
    record, arm = RunRecord(details={"seed": 7, **details}, truth=True), FakeArm()
    agent(planner or ReadingPlanner([PUT], [False, True]), FakePolicy(), arm, [record]).run(sentence)
    spec = arm.spec
    return record, JointLimits(spec.joint_names, spec.q_min, spec.q_max, spec.dq_max)


class Outside(HTMLParser):
    """Collects every address that a page would fetch, and checks that tags close."""

    VOID = {"meta", "img", "br", "line", "rect", "polyline", "polygon"}

    def __init__(self):
        super().__init__()
        self.open, self.fetched, self.unclosed = [], [], []

    def handle_starttag(self, tag, attrs):
        self.fetched += [v for k, v in attrs if k in ("src", "href", "poster") and not v.startswith("data:")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID and (not self.open or self.open.pop() != tag):
            self.unclosed.append(tag)


def test_the_page_is_one_file_that_fetches_nothing():
    record, limits = a_run()
    page = run_page(record, limits, 20.0)
    parser = Outside()
    parser.feed(page)
    assert parser.fetched == [] and parser.unclosed == [] and parser.open == []
    assert "url(" not in page and "@import" not in page and "http" not in page


def test_the_page_shows_sentence_steps_reasons_and_verdicts():
    record, limits = a_run()
    page = run_page(record, limits, 20.0)
    assert page.count(">judged failed</span>") == 1 and page.count(">judged done</span>") == 1
    assert "red block on table no" in page and PUT in page and "Achieved" in page
    assert "obj_1 · 98 %" in page and "blue bowl <small>obj_2" in page
    assert page.count("<figcaption>where the policy looked") == 2
    assert "joint7" in page and "gripper" in page
    assert "prefers-color-scheme: dark" in page and "width=device-width" in page


@pytest.mark.parametrize("modality", modalities(), ids=lambda m: m.name)
def test_the_sentence_shows_every_modality(modality):
    which = {"one": "", "name": ":front", "index": ":1"}[modality.addressing]
    seen_now = FakeArm().observe()
    given = {"state": seen_now.robot, "obj": seen(), "img:front": np.zeros((2, 4)), "read": np.zeros((1, 4))}
    source = modality.placeholder + (which if modality.addressing == "name" else "")
    sentence = Sentence(
        f"i see <{modality.placeholder}{which}> .", {source: given.get(source, np.array([0.25, -1.5]))}
    )
    html = sentence_html(sentence, seen_now, seen())
    assert html.count('class="token') == 1 and "&lt;" not in html
    shown = {"object": "red block", "picture": "<img", "text": modality.name, "numbers": "+0.00"}
    if modality.shown == "numbers" and modality.name != "state":
        shown["numbers"] = "+0.25 -1.50"
    assert shown[modality.shown] in html


def test_words_that_look_like_a_placeholder_stay_words():
    sentence = SimpleNamespace(text="human : put <it> there robot :", observations={})
    html = sentence_html(sentence, FakeArm().observe(), None)
    assert "&lt;it&gt;" in html and "token" not in html


def test_what_a_person_types_cannot_break_the_page():
    record, limits = a_run(sentence='<script>alert("x")</script>')
    page = run_page(record, limits, 20.0)
    assert "<script" not in page and "&lt;script&gt;" in page


def test_the_simulator_may_disagree_with_the_planner():
    record, limits = a_run()
    record.truth = False
    page = run_page(record, limits, 20.0)
    assert "Not achieved" in page and "the goal is not reached" in page


def test_an_interrupted_run_has_a_readable_page():
    class Interrupted(FakePolicy):
        def act(self, observation, step):
            raise KeyboardInterrupt

    record, arm = RunRecord(), FakeArm()
    agent(FakePlanner([PUT]), Interrupted(), arm, [record]).run(PUT)
    page = run_page(
        record, JointLimits(arm.spec.joint_names, arm.spec.q_min, arm.spec.q_max, arm.spec.dq_max), 20
    )
    assert "Stopped by Ctrl-C" in page and "No command was sent" in page


def test_the_log_has_a_line_an_event_and_reads_back(tmp_path):
    path = tmp_path / "events.jsonl"
    with EventLog(path, seed=7) as log:
        agent(ReadingPlanner([PUT]), FakePolicy(), FakeArm(), [log]).run(PUT)
        log.note("end", achieved=True)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    kinds = [line["event"] for line in lines]
    assert kinds == ["header", "started", "planned", "acted", "acted", "judged", "planned", "finished", "end"]
    assert lines[2]["step"] == PUT and lines[2]["seen"][0]["name"] == "red block"
    assert np.array(lines[3]["q_sent"]).shape == (5, 7)


def test_a_log_line_is_on_disk_as_soon_as_it_happened(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    log.note("hello")
    assert (tmp_path / "events.jsonl").read_text().count("\n") == 2
    log.__exit__()


def test_charts_never_hide_a_peak():
    q = np.zeros((5000, 7))
    q[2501:, 3] = 0.1  # 2 rad/s for one tick of 0.05 s
    limits = JointLimits([f"j{i}" for i in range(7)], np.full(7, -2.0), np.full(7, 2.0), np.full(7, 2.0))
    drawn = joint_charts(q, np.ones(5000), 20.0, limits)
    assert "100 % speed" in drawn
    speed_of_j3 = re.findall(r'class="dq" points="([^"]*)"', drawn)[3]
    heights = [float(point.split(",")[1]) for point in speed_of_j3.split()]
    assert min(heights) == 100.0  # the top of the speed band


def test_heat_is_brightest_where_the_policy_looked():
    rgb = np.full((40, 60, 3), 90, np.uint8)
    heat = np.zeros((10, 15), np.float32)
    heat[2, 3] = 1
    shown = with_heat(rgb, (Localisation("front", "pick", heat, None),), factor=1).astype(int)
    brightness = shown.sum(-1)
    v, u = np.unravel_index(brightness.argmax(), brightness.shape)
    assert abs(v - 10) <= 3 and abs(u - 14) <= 3
    assert shown[35, 55].sum() < rgb[35, 55].sum()


def test_a_crop_shows_the_object_and_nothing_out_of_sight():
    frame = FakeArm().observe().images["front"]
    cut = crop(frame, np.array([3.0, -0.3, -0.2]))
    assert cut is not None and cut.shape == (72, 72, 3)
    assert crop(frame, np.array([-3.0, 0, 0])) is None
    assert crop(frame, np.array([1.0, 50, 0])) is None


def test_the_film_plays_in_browsers(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "video.mp4"
    pictures = {"front": np.full((48, 64, 3), 80, np.uint8), "wrist": np.full((48, 48, 3), 120, np.uint8)}
    with Film(path, fps=10, height=96) as film:
        for k in range(12):
            film.add(pictures, Caption(PUT, (PlanLine(PUT, "now" if k < 6 else "done"),), "because"))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        assert sum(1 for _ in container.decode(stream)) == 12
        assert stream.width % 2 == 0 and stream.height % 2 == 0
    assert b"moov" in path.read_bytes()[:4096]  # the index comes first, so that it plays while it loads


@pytest.mark.parametrize("n", [1, 7, 50, 100])
def test_wilson_holds_the_share_and_stays_a_share(n):
    for k in range(n + 1):
        low, high = wilson(k, n)
        assert 0 <= low <= k / n <= high <= 1
        mirrored = wilson(n - k, n)
        assert mirrored == pytest.approx((1 - high, 1 - low))


def test_wilson_knows_its_published_value():
    assert wilson(95, 100) == pytest.approx((0.8882, 0.9785), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="3 successes of 2"):
        wilson(3, 2)
