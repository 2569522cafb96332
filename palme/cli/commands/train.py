"""`palme train perception | reader | planner | policy`: from nothing to the shipped weights, resumable.

Progress is printed and written as TensorBoard curves beside the checkpoint; `install=true` puts the result
where `palme run` looks for it. On several processes: `accelerate launch --multi_gpu --num_processes 2 -m
palme.cli.main train planner ...`.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palme.cli.config import is_override, load_yaml
from palme.cli.errors import UsageError, unknown
from palme.cli.out_lock import locked
from palme.cli.paths import WEIGHTS
from robots.files import replacing, replacing_files

if TYPE_CHECKING:
    from palme.policies.base import Motion
    from palme.training.config import TrainerConfig


def main(arguments: Sequence[str]) -> int:
    """Train one part. Returns 0; Ctrl-C leaves a checkpoint that the same command goes on from."""
    from palme.training.recipes import RECIPES

    names = [word for word in arguments if not is_override(word)]
    if len(names) != 1:
        raise UsageError(f"name what to train, one of {', '.join(RECIPES)}: palme train perception")
    if names[0] not in RECIPES:
        raise unknown("part to train", names[0], RECIPES)
    words = [word for word in arguments if is_override(word)]
    config = load_yaml(f"train_{names[0]}", RECIPES[names[0]], words)
    from palme.data.errors import DataError
    from palme.training.devices import SettingError
    from palme.training.trainer import NonFiniteLossError
    from palme.weight_files import WeightsError

    try:
        with nullcontext() if _is_helper() else locked(config.out):
            for path in _trained(config):
                print(path)
    except (FileNotFoundError, WeightsError, DataError, SettingError) as error:
        raise UsageError(str(error)) from error
    except NonFiniteLossError as error:
        print(f"palme: {error}", file=sys.stderr)
        return 1
    return 0


def _trained(config: TrainerConfig | None) -> list[Path]:
    """Train `config` and what follows it. Returns what was written at last."""
    from palme.cli.progress import over
    from palme.cli.rig.sense_sources import sense_source
    from palme.cli.rig.task_source import task_source
    from palme.training.resources import Resources
    from palme.training.trainer import Trainer

    shipped, is_main = Path(), True
    while config is not None:
        trainer: Trainer[Any] = Trainer(config, Resources(task_source, _motion, sense_source, over))
        trainer.fit()
        shipped, is_main = trainer.shipped, trainer.processes.is_main
        if is_main and config.install and config.installed_as():
            shipped = _installed(shipped, WEIGHTS / config.installed_as())
        config = config.following()
    return [shipped] if is_main else []


def _motion(arm: str) -> Motion:
    from robots.errors import SpecError
    from robots.motion.arm_motion import ArmMotion
    from robots.spec import ArmSpec

    try:
        return ArmMotion(ArmSpec.load(arm))
    except SpecError as error:
        raise UsageError(f"arm={arm}: {error}") from error


def _installed(source: Path, target: Path) -> Path:
    """Copy `source` (a file or a folder) to `target`, replacing what was there."""
    if source.is_dir():
        with replacing_files(target) as folder:
            shutil.copytree(source, folder, dirs_exist_ok=True)
    else:
        with replacing(target) as file:
            shutil.copyfile(source, file)
    return target


def _is_helper() -> bool:
    """Whether this process is one of several that train together, and not the one that writes."""
    return os.environ.get("RANK", "0") != "0"
