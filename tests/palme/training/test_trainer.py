"""Promises of the one training loop, on a recipe that takes milliseconds."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from palme.training.config import TrainerConfig
from palme.training.devices import SettingError, choose_device, part_of, to_device
from palme.training.recipe import ParameterGroup, Stage, checked
from palme.training.stopping import StopRequest
from palme.training.trainer import NonFiniteLossError, Trainer
from tests.fake_gpu import GPU, FakeGpu
from tests.palme.training.tiny_recipe import TinyRecipe, TinyTraining


def run(out: Path, **settings) -> Trainer:
    trainer = Trainer(TinyTraining(out=str(out), **settings))
    trainer.fit()
    return trainer


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in trainer.recipe.net.state_dict().items()}


def records(out: Path, kind: str) -> list[dict]:
    lines = map(json.loads, (out / "log.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == kind]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[k], b[k]) for k in a)


# -- going on ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_run_in_two_parts_is_the_run_in_one(tmp_path, ema):
    whole = run(tmp_path / "whole", steps=8, ema=ema)
    run(tmp_path / "parts", steps=8, max_steps=3, ema=ema)
    parts = run(tmp_path / "parts", steps=8, ema=ema)
    assert parts.step == 8
    assert same(weights(whole), weights(parts))
    assert same(load_file(whole.shipped), load_file(parts.shipped))
    losses = [[r["loss"] for r in records(tmp_path / name, "train")] for name in ("whole", "parts")]
    assert losses[0] == losses[1] and len(losses[0]) == 8


def test_evaluation_does_not_change_the_training(tmp_path):
    often = run(tmp_path / "often", steps=5, validate_every=1)
    assert often.recipe.evaluated == 5
    assert (
        len(records(tmp_path / "often", "evaluation")) == 4 and len(records(tmp_path / "often", "final")) == 1
    )
    assert same(weights(often), weights(run(tmp_path / "never", steps=5)))


def test_without_resume_a_run_begins_anew(tmp_path):
    first = run(tmp_path, steps=3)
    assert same(weights(first), weights(run(tmp_path, steps=3, resume=False)))


def test_a_decayed_run_goes_on_with_more_steps_at_the_constant_rate(tmp_path):
    run(tmp_path, steps=10)
    run(tmp_path, steps=40)
    rates = [r["rate"] for r in records(tmp_path, "train")]
    assert rates[9] < 0.3 and rates[10] == 1.0 and rates[-1] < 0.1


# -- the schedule ------------------------------------------------------------------------------------


def test_the_rate_rises_holds_and_falls_by_steps_and_by_the_clock():
    by_step = TrainerConfig(steps=100, warmup=10, decay_share=0.5, floor=0.02)
    by_clock = TrainerConfig(minutes=100 / 60, warmup=10, decay_share=0.5, floor=0.02)
    for config, at in ((by_step, lambda k: (k, 0.0)), (by_clock, lambda k: (1000 * (k > 9) + k, float(k)))):
        assert config.rate(*at(0)) == pytest.approx(0.1)
        assert config.rate(*at(30)) == 1.0
        assert config.rate(*at(75)) == pytest.approx(0.5)
        assert config.rate(*at(100)) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "minutes=0.0, steps=0"),
        ({"minutes": 1.0, "steps": 4}, "exactly one"),
        ({"steps": 4, "ema": 1.0}, r"\[0, 1\)"),
        ({"steps": 4, "decay_share": float("nan")}, "decay_share"),
        ({"steps": 4, "stages": ({"name": "a", "share": 0.5},)}, "sum to 1"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name_and_limit(settings, words):
    with pytest.raises(SettingError, match=words):
        TrainerConfig(**settings)


# -- what learns -------------------------------------------------------------------------------------


def test_a_stage_freezes_one_group_and_slows_another(tmp_path):
    stages = (Stage("last alone", 0.5, {"first": 0.0}), Stage("both", 0.5, {"last": 0.1}))
    begun = weights(Trainer(TinyTraining(out=str(tmp_path / "begin"), steps=8)))
    half = weights(run(tmp_path / "run", steps=8, stages=stages, max_steps=4))
    assert torch.equal(half["0.weight"], begun["0.weight"])
    assert not torch.equal(half["2.weight"], begun["2.weight"])
    rest = run(tmp_path / "run", steps=8, stages=stages)
    assert not torch.equal(weights(rest)["0.weight"], half["0.weight"])
    rates = {g["name"]: g["lr"] / g["peak"] for g in rest.optimizers[0].param_groups}
    assert rates["last"] == pytest.approx(0.1 * rates["first"])


def test_a_stage_that_names_no_group_is_refused(tmp_path):
    with pytest.raises(SettingError, match=r"no group 'encoder'; there are first, last"):
        Trainer(TinyTraining(out=str(tmp_path), steps=8, stages=(Stage("a", 1.0, {"encoder": 0.0}),)))


def test_a_parameter_that_nobody_moves_is_refused_by_name():
    net = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="bias: in no parameter group"):
        checked([ParameterGroup("weight", [net.weight], 0.1)], net, ())
    with pytest.raises(ValueError, match="in two of them"):
        checked([ParameterGroup(n, list(net.parameters()), 0.1) for n in "ab"], net, ())


def test_what_is_shipped_is_the_average_and_what_learns_is_not(tmp_path):
    plain = run(tmp_path / "plain", steps=6)
    averaged = run(tmp_path / "averaged", steps=6, ema=0.5)
    assert same(weights(plain), weights(averaged))
    expected = weights(Trainer(TinyTraining(out=str(tmp_path / "begin"), steps=6)))
    for n in range(1, 7):
        now = weights(run(tmp_path / f"until{n}", steps=6, max_steps=n))
        decay = min(0.5, n / (9 + n))
        expected = {k: decay * v + (1 - decay) * now[k] for k, v in expected.items()}
    shipped = load_file(averaged.shipped)
    assert all(torch.allclose(shipped[k], v, atol=1e-6) for k, v in expected.items())
    assert records(tmp_path / "averaged", "final")[0]["norm"] == pytest.approx(
        float(shipped["2.weight"].norm()), abs=1e-4
    )


# -- what goes wrong ---------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_names_step_and_remedy_and_spoils_nothing(tmp_path):
    run(tmp_path, steps=9, max_steps=4)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    trainer = Trainer(TinyTraining(out=str(tmp_path), steps=9, nan_at=6))
    with pytest.raises(NonFiniteLossError, match="step 6.*lower lr"):
        trainer.fit()
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    assert all(v.isfinite().all() for v in weights(trainer).values())


def test_a_signal_saves_what_there_is_and_a_second_one_changes_nothing(tmp_path, monkeypatch):
    save = TinyRecipe.save

    def interrupted(recipe, folder):
        os.kill(os.getpid(), signal.SIGINT)  # while files are written
        return save(recipe, folder)

    monkeypatch.setattr(TinyRecipe, "save", interrupted)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        Trainer(TinyTraining(out=str(tmp_path), steps=8, kill_at=5)).fit()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    monkeypatch.undo()
    assert not list(tmp_path.glob("*.tmp"))
    rest = Trainer(TinyTraining(out=str(tmp_path), steps=8))
    assert rest.step == 5
    rest.fit()
    assert same(weights(rest), weights(run(tmp_path / "whole", steps=8)))


def test_a_signal_ends_a_wait_at_once_but_not_a_step():
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)  # between two waits: noted, nothing is raised
        assert stop.requested and stop.interruptible(lambda: 1) is None
    with StopRequest() as stop:

        def wait() -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("the wait went on")

        assert stop.interruptible(wait) is None and stop.requested


def test_an_error_saves_the_last_whole_state(tmp_path, monkeypatch):
    def broken(recipe, final):
        raise RuntimeError("no data to evaluate on")

    monkeypatch.setattr(TinyRecipe, "evaluate", broken)
    with pytest.raises(RuntimeError, match="no data"):
        run(tmp_path, steps=8, validate_every=3)
    assert Trainer(TinyTraining(out=str(tmp_path), steps=8)).step == 3


def test_a_save_that_fails_leaves_the_last_checkpoint_whole(tmp_path, monkeypatch):
    import safetensors.torch

    run(tmp_path, steps=3)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()

    def full(tensors, path, metadata=None):
        Path(path).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(OSError, match="no space"):
        run(tmp_path, steps=5)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before


# -- what is reported --------------------------------------------------------------------------------


def test_each_record_is_a_line_in_the_log_a_printed_line_and_a_point_of_a_curve(tmp_path, capsys):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tmp_path, steps=3)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["train"] * 3 + ["final"]
    curves = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    drawn = [round(event.value, 5) for event in curves.Scalars("train/loss")]
    assert drawn == [round(r["loss"], 5) for r in records(tmp_path, "train")]
    assert json.loads((tmp_path / "config.json").read_text())["lr"] == 0.02


# -- devices -----------------------------------------------------------------------------------------


def test_every_tensor_of_a_nested_batch_is_moved_and_shared():
    batch = {"a": [torch.arange(5), {"b": (torch.ones(5, 2), "word")}], "c": 3}
    with FakeGpu() as gpu:
        there = to_device(batch, GPU)
        assert gpu.moved == 2
        assert there["a"][0].device == GPU and there["a"][1]["b"][0].device == GPU
    assert (there["a"][1]["b"][1], there["c"]) == ("word", 3)
    shares = [part_of(batch, rank, 2)["a"][0].tolist() for rank in (0, 1)]
    assert shares == [[0, 2, 4], [1, 3]]


def test_a_configured_gpu_gets_the_model_its_optimizer_and_every_batch(tmp_path, monkeypatch):
    on_cpu = run(tmp_path / "cpu", steps=4, ema=0.9)
    monkeypatch.setattr("palme.training.trainer.choose_device", lambda name, rank: GPU)
    with FakeGpu() as gpu:
        trainer = run(tmp_path / "gpu", steps=4, ema=0.9)
        assert all(gpu.holds(p) for p in trainer.recipe.net.parameters())
        assert all(gpu.holds(s["exp_avg"]) for s in trainer.optimizers[0].state.values())
        again = run(tmp_path / "gpu", steps=6, ema=0.9)
        assert all(gpu.holds(v) for v in again.average.tensors.values())
    assert again.step == 6
    assert same(weights(trainer), weights(on_cpu))


def test_a_device_that_is_not_there_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(SettingError, match="device=cpu"):
        choose_device("cuda")
    with pytest.raises(SettingError, match="auto, cpu, cuda"):
        choose_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto", 1) == choose_device("cuda", 1) == torch.device("cuda", 1)
    assert choose_device("cpu") == torch.device("cpu")


# -- one loop ----------------------------------------------------------------------------------------


def test_there_is_one_training_loop():
    root = Path(__file__).parents[3] / "palme"
    loops = [p.name for p in root.rglob("*.py") if ".backward(" in p.read_text(encoding="utf-8")]
    assert loops == ["trainer.py"]
