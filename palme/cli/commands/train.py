"""`palme train perception | reader | planner | policy`: from nothing to the shipped weights, resumable.

Progress is printed and written as TensorBoard curves beside the checkpoint; `install=true` puts the result
where `palme run` looks for it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError, unknown
from palme.cli.paths import WEIGHTS


def main(arguments: Sequence[str]) -> int:
    """Train one part. Returns 0; Ctrl-C leaves a checkpoint that the same command goes on from."""
    parts: dict[str, Callable[[dict[str, Any]], list[Path]]] = {
        "perception": _perception,
        "reader": _reader,
        "planner": _planner,
        "policy": _policy,
    }
    names = [word for word in arguments if not is_override(word)]
    if len(names) != 1:
        raise UsageError(f"name what to train, one of {', '.join(parts)}: palme train perception")
    if names[0] not in parts:
        raise unknown("part to train", names[0], parts)
    config = load(f"train_{names[0]}", [word for word in arguments if is_override(word)])
    try:
        written = parts[names[0]](config)
    except FileNotFoundError as error:
        raise UsageError(str(error)) from error
    for path in written:
        print(path)
    return 0


def _perception(config: dict[str, Any]) -> list[Path]:
    from palme.training.recipes import classifier as names
    from palme.training.recipes import detector as perception

    install, name_steps = config.pop("install"), config.pop("name_steps")
    perception.train(perception.DetectorTraining(**config))
    out = Path(config["out"])
    shared = {key: config[key] for key in ("data", "seed", "threads")}
    names.train(
        names.ClassifierTraining(
            detector=str(out / "checkpoint.safetensors"), out=str(out / "names"), steps=name_steps, **shared
        )
    )
    weights = out / "names" / "detector.safetensors"
    return [_installed(weights, WEIGHTS / "detector.safetensors") if install else weights]


def _reader(config: dict[str, Any]) -> list[Path]:
    from palme.cli.rig.task_source import task_source
    from palme.training.recipes.instruction_encoder import InstructionEncoderTraining, train_reader

    train_reader(InstructionEncoderTraining(**config), task_source())
    return [Path(config["out"]) / "model"]


def _planner(config: dict[str, Any]) -> list[Path]:
    from palme.cli.rig.task_source import task_source
    from palme.training.recipes.planner import PlannerTraining, train_planner

    install = config.pop("install")
    train_planner(PlannerTraining(**config), task_source())
    weights = Path(config["out"]) / "model"
    return [_installed(weights, WEIGHTS / "planner") if install else weights]


def _policy(config: dict[str, Any]) -> list[Path]:
    from palme.data.errors import DataError
    from palme.training.recipes.chunk_policy import PolicyTraining, sources, train

    install = config.pop("install")
    recorded, motion = sources(config["data"])[1], None
    if recorded:
        motion = _motion(config["arm"])
    try:
        train(PolicyTraining(**config), motion)
    except DataError as error:
        raise UsageError(str(error)) from error
    weights = Path(config["out"]) / "chunk.safetensors"
    return [_installed(weights, WEIGHTS / "chunk.safetensors") if install and not recorded else weights]


def _motion(arm: str) -> Any:
    from robots.errors import SpecError
    from robots.motion.arm_motion import ArmMotion
    from robots.spec import ArmSpec

    try:
        return ArmMotion(ArmSpec.load(arm))
    except SpecError as error:
        raise UsageError(f"arm={arm}: {error}") from error


def _installed(source: Path, target: Path) -> Path:
    """Copy `source` (a file or a folder) to `target`, replacing what was there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)
    return target
