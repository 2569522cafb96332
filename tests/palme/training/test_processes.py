"""Promises of training by several processes: the loss curve of one, whoever starts them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from palme.cli.main import main
from palme.training.trainer import Trainer
from tests.palme.training.tiny_recipe import TinyTraining

ROOT = Path(__file__).parents[3]
PLANNER = (
    "train planner install=false device=cpu minutes=9 max_steps=3 width=32 layers=1 heads=2 inner=48 "
    "tokens=512 evaluate_n=1 evaluate_every_s=0.0 +log_every_s=0.000001"
).split()


def losses(out: Path) -> list[float]:
    lines = map(json.loads, (out / "log.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if line["kind"] == "train"]


def free_port() -> str:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}


def in_two_processes(arguments: list[str]) -> None:
    """`arguments` of Python in two processes, with what a launcher tells them."""
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    begun = [
        subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=environment(RANK=str(k), LOCAL_RANK=str(k), **shared)
        )
        for k in range(2)
    ]
    try:
        assert [process.wait(170) for process in begun] == [0, 0]
    finally:
        for process in begun:
            process.kill()


def test_two_processes_learn_as_one_does_at_the_same_global_batch(tmp_path):
    Trainer(TinyTraining(out=str(tmp_path / "one"), steps=6)).fit()
    in_two_processes(["-m", "tests.palme.training.tiny_recipe", str(tmp_path / "two")])
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == len(two) == 6
    assert two == pytest.approx(one, rel=1e-5)
    assert one[-1] < 0.9 * one[0]


def test_accelerate_starts_the_same(tmp_path):
    pytest.importorskip("accelerate")
    Trainer(TinyTraining(out=str(tmp_path / "one"), steps=6)).fit()
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    port = ["--main_process_port", free_port()]
    words = [*launch, *port, "-m", "tests.palme.training.tiny_recipe", str(tmp_path / "two")]
    subprocess.run(words, cwd=ROOT, env=environment(), check=True, timeout=170)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)


def test_the_planner_is_trained_by_two_processes_from_the_command_line(tmp_path):
    assert main([*PLANNER, f"out={tmp_path / 'one'}"]) == 0
    in_two_processes(["-m", "palme.cli.main", *PLANNER, f"out={tmp_path / 'two'}"])
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == len(two) == 3
    assert two == pytest.approx(one, rel=1e-4)
    assert (tmp_path / "two" / "model" / "model.safetensors").exists()
