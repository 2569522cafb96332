"""The page of `palme bench corrections`, the interval of a gain, and the disturbance itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from palme.cli.bench.corrections import _counted, _gain
from palme.cli.config import load
from palme.cli.errors import UsageError
from palme.cli.rig.build import cameras_of
from palme.cli.settings.bench import BenchPolicyConfig, CorrectionsConfig
from palme.report.corrections_page import corrections_page
from palme.report.results import CorrectionResults
from palme.report.stats import newcombe_paired
from sim.rendering.camera import FRONT, look_at


def test_a_gain_s_interval_holds_it_and_is_mirrored_when_the_two_change_places() -> None:
    for counts in ((30, 50, 2, 18), (0, 100, 0, 0), (50, 0, 0, 50), (10, 5, 5, 80)):
        a, b, c, d = counts
        low, high = newcombe_paired(a, b, c, d)
        assert -1 <= low <= (b - c) / 100 <= high <= 1 and high - low > 0.01
        assert newcombe_paired(a, c, b, d) == pytest.approx((-high, -low))
    with pytest.raises(ValueError, match="at least one trial"):
        newcombe_paired(0, 0, 0, 0)


def test_a_gain_s_interval_covers_the_truth_in_19_of_20_cases() -> None:
    rng, truth = np.random.default_rng(0), np.array([0.3, 0.4, 0.05, 0.25])
    draws = rng.multinomial(100, truth, 2000)
    inside = [low <= 0.35 <= high for low, high in (newcombe_paired(*map(int, d)) for d in draws)]
    assert 0.935 <= np.mean(inside) <= 0.985


def test_pairs_are_counted_seed_by_seed() -> None:
    gain = _gain([True, True, False, True], [False, True, False, False])
    assert (gain["both"], gain["gained"], gain["lost"], gain["neither"]) == (1, 2, 0, 1)
    assert gain["gain"] == 0.5


def test_a_knocked_camera_tells_where_it_was_and_is_elsewhere() -> None:
    config = load(BenchPolicyConfig, ["camera=knocked"]).camera
    front, wrist = cameras_of(config)
    true = look_at(front.position, front.target, front.up)
    told = front.told(true)
    assert 1e3 * np.linalg.norm(told[:3, 3] - true[:3, 3]) == pytest.approx(config.knock.shift_mm)
    turned = math.degrees(math.acos((np.trace(told[:3, :3].T @ true[:3, :3]) - 1) / 2))
    assert turned == pytest.approx(config.knock.turn_deg)
    np.testing.assert_allclose(told[:3, :3] @ told[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.array_equal(wrist.told(true), true) and np.array_equal(FRONT.told(true), true)
    assert cameras_of(replace(config, knock=replace(config.knock, seed=1)))[0] != front


def test_the_pictures_are_from_where_the_camera_is() -> None:
    from sim.world.scene import Scene
    from sim.world.world import World

    world = World("fast")
    world.load(Scene((), ()))
    front = cameras_of(load(BenchPolicyConfig, ["camera=knocked"]).camera)[0]
    plain, knocked = world.render(FRONT, (64, 48)), world.render(front, (64, 48))
    assert np.array_equal(plain.rgb, knocked.rgb)
    assert np.abs(plain.base_from_camera - knocked.base_from_camera).max() > 0.005
    world.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [(["camera=table"], "camera=knocked"), (["policy=keypose"], "chunk"), (["episodes=0"], "at least 1")],
)
def test_a_measurement_that_makes_no_sense_is_refused(words: list[str], said: str, tmp_path) -> None:
    with pytest.raises(UsageError, match=said):
        load(CorrectionsConfig, [*words, f"out={tmp_path}"])


def test_the_page_says_what_was_measured_and_needs_nothing_else() -> None:
    before, after = [True] * 3 + [False] * 7, [True] * 9 + [False]
    trained = {
        "pairs": 90, "pairs_by_person": 80, "off_before_mm": 26.9, "off_after_mm": 5.2, "motions": 50,
        "mrad": 1.5, "offsets": [[0.5, 0.03, 0.5, 0.005, 0.5, 0.0]],
    }  # fmt: skip
    page = corrections_page(CorrectionResults.from_json({
        "commit": "abc",
        "settings": {"seed": 0, "knock": {"camera": "front", "shift_mm": 20, "turn_deg": 1.5}},
        "collected": {"episodes": 70, "corrected": 50, "achieved_by_hand": 47},
        "training": {"taught": trained, "own": {"mrad": 1.4, "offsets": [], "why_no_correction": "few"}},
        "trials": {"before": _counted(before), "after": _counted(after)}, "gain": _gain(after, before),
    }))  # fmt: skip
    for words in (
        "3 of 10 steps succeed before, 9 after 50 corrections",
        "+60",
        "26.9",
        "uncorrected episodes",
        "<svg",
    ):
        assert words in page, words
    assert "http" not in page.replace("http://www.w3.org", "")
