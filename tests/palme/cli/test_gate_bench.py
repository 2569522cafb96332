"""The bench finds nothing wrong with the gate, and finds what is wrong with a broken one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from palme.cli.bench.gate import bench_arm, bench_gate
from robots.errors import CommandRejected
from robots.safety.envelope import Envelope
from robots.safety.gate import SafetyGate
from robots.spec import ArmSpec


@pytest.fixture(params=ArmSpec.available())
def arm(request: pytest.FixtureRequest) -> ArmSpec:
    return ArmSpec.load(request.param)


def test_nothing_gets_past_the_gate_of_any_arm() -> None:
    arms = ArmSpec.available()
    found = bench_gate(arms, commands=600 * 2 * len(arms))
    assert len(found) == 2 * len(arms)
    for arm in found:
        assert not arm.violations, arm
        assert arm.used["velocity"] <= 1 and min(arm.room.values()) >= 0
    refused = sum((arm.refusals for arm in found), start=type(found[0].refusals)())
    assert {"CommandNotFinite", "CommandShape", "CommandOutOfOrder", "CommandFromFuture", "CommandJumps",
            "ArmLatched"} <= set(refused)  # fmt: skip
    assert all(max(arm.used.values()) > 0.99 for arm in found)  # the streams do reach the limits


def test_the_same_seed_offers_the_same_commands(arm: ArmSpec) -> None:
    one, two = (bench_arm(arm, 300, seed=4) for _ in range(2))
    assert (one.used, one.room, one.refusals) == (two.used, two.room, two.refusals)


@pytest.mark.parametrize("broken", ["envelope", "change", "finite"])
def test_a_broken_gate_is_found_out(arm: ArmSpec, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if broken == "envelope":
        monkeypatch.setattr(Envelope, "feasible_fraction", lambda self, at, moving, then, wanted: 1.0)
        wanted = "workspace"
    elif broken == "change":
        init = SafetyGate.__init__

        def looser(self: SafetyGate, spec: ArmSpec) -> None:
            init(self, dataclasses.replace(spec, ddq_max=spec.ddq_max * 1.01))

        monkeypatch.setattr(SafetyGate, "__init__", looser)
        wanted = "acceleration"
    else:

        def repair(self: SafetyGate, values: np.ndarray, *what: object) -> list[float]:
            try:
                array = np.nan_to_num(np.asarray(values, dtype=np.float64))
            except (TypeError, ValueError) as error:
                raise CommandRejected(str(what)) from error
            return (array if array.shape == (arm.n_joints,) else self.q).tolist()

        monkeypatch.setattr(SafetyGate, "_finite", repair)
        wanted = "let through what is CommandNotFinite"
    assert wanted in bench_arm(arm, 600).violations
