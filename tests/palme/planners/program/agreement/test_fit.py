"""A calibration is fitted to judged readings, and its threshold is that of tables it was not fitted on."""

import json
import random
from pathlib import Path

import pytest
import yaml

from palme.planners.program.agreement.features import NAMES
from palme.planners.program.agreement.fit import fit, judged, main


def _cases(n: int, seed: int = 3) -> list[dict[str, object]]:
    """Half of the doubtful ones wrong; some refused, some stopped by the word check."""
    rng = random.Random(seed)
    cases: list[dict[str, object]] = []
    for k in range(n):
        doubt = rng.random()
        evidence = dict.fromkeys(NAMES, 0.0) | {"log_probability": -doubt}
        verdict = "wrong" if doubt > 0.6 and rng.random() < 0.8 else "right"
        if k % 10 == 0:
            evidence["sure_violations"], verdict = 1 / 3, "wrong"
        cases.append({"table": f"t{k % 12}", "verdict": verdict, "evidence": evidence})
    return [*cases, {"table": "t1", "verdict": "refused", "evidence": None}]


def test_what_is_acted_on_is_right() -> None:
    readings = judged(_cases(600))
    calibration = fit(readings, 600)
    acted = [
        one for one in readings
        if not one.is_stopped and calibration(one.evidence) >= calibration.threshold
    ]  # fmt: skip
    wrong = sum(not one.right for one in acted)
    assert wrong <= 0.02 * 600
    assert len(acted) > 0.4 * 600


def test_refusals_tell_nothing_of_readings() -> None:
    assert judged([{"table": "t", "verdict": "refused", "evidence": dict.fromkeys(NAMES, 0.0)}]) == []
    assert judged([{"table": "t", "verdict": "wrong", "evidence": None}]) == []


def test_the_command_prints_a_calibration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"cases": _cases(300)}), encoding="utf-8")
    main([str(path)])
    said = yaml.safe_load(capsys.readouterr().out)
    assert set(said["weights"]) == set(NAMES) and 0 <= said["threshold"] <= 1
