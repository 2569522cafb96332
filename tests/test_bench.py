"""The benchmark runs and keeps its own promises; the figures themselves stand in the README."""

from __future__ import annotations

import math

import pytest

from sim.bench import bench_env


def test_ours_is_faster_than_panda_gym_in_the_same_run():
    pytest.importorskip("panda_gym")
    result = bench_env(rounds=4, steps=25, picture_steps=2)
    assert result.steps == 100
    assert result.state_ratio > 1.5  # promised: 3, asked here with room for a busy machine
    assert result.image_ratio > 7  # promised: 15
    assert 0.3 < result.physics_share < 1.0
    assert result.as_dict()["targets"]["state_ratio"] == 3.0


def test_without_panda_gym_the_rest_is_still_measured(monkeypatch):
    monkeypatch.setattr("sim.bench._panda_gym", lambda: (None, None))
    result = bench_env(rounds=2, steps=10, picture_steps=1)
    assert result.state_hz > 0 and result.image_hz > 0 and math.isnan(result.state_ratio)
