"""The bench finds nothing wrong with the gate, and finds what is wrong with a broken one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from palme.cli.bench.gate import bench_arm, bench_gate
from palme.cli.bench.gate_following import FAULTS, bench_following
from robots.errors import CommandRejected
from robots.safety.envelope import Envelope
from robots.safety.following import Following
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


@pytest.mark.parametrize("hz", [20.0, 250.0])
def test_every_arm_that_is_not_where_it_was_sent_is_noticed(arm: ArmSpec, hz: float) -> None:
    found = bench_following(dataclasses.replace(arm, control_hz=hz), trials=2, hours=0.0, seed=3)
    assert not found.violations and found.faults == dict.fromkeys(FAULTS, 2)
    assert set(found.noticed_s) == set(FAULTS) and found.noticed_s["displaced arm"] == 0.0


def test_ordinary_motion_is_never_held(arm: ArmSpec) -> None:
    found = bench_following(arm, trials=0, hours=0.1, seed=1)
    assert (found.ordinary_s, found.false_holds) == (360.0, 0)


def test_a_gate_that_notices_nothing_or_holds_for_nothing_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arm = ArmSpec.load("panda")
    tight = dataclasses.replace(arm, following_error=0.02)
    assert bench_following(tight, trials=0, hours=0.05).false_holds > 0
    assert bench_gate(["panda"], 40, [20.0], hours=0.02)[0].violations == {}
    monkeypatch.setattr(ArmSpec, "load", lambda name: tight)
    assert "held an arm in ordinary motion" in bench_gate(["panda"], 40, [20.0], hours=0.05)[0].violations
    monkeypatch.setattr(Following, "check", lambda self, measured: True)
    blind = bench_following(arm, trials=1, hours=0.0).violations
    assert {f"{kind}: not noticed" for kind in FAULTS} == {name for name in blind if "not noticed" in name}
