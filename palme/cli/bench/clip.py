"""`palme bench clip`: zero-shot naming, the judge of outcomes, and single steps about new appearances.

results.json in the folder `out` has `zero_shot`, `outcome` and `steps`, each with Wilson's 95 % intervals and
the controls beside it.
"""

from __future__ import annotations

import json
from typing import Any

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.errors import UsageError
from palme.cli.settings.bench import ClipBenchConfig
from robots.files import write_text


def bench_clip(config: ClipBenchConfig, bar: Bar) -> dict[str, Any]:
    """Figures of every part that is asked for; they are written into `config.out` after each."""
    import torch
    from transformers.utils import logging

    from palme.cli.bench.clip_outcomes import bench_outcomes, calibrate
    from palme.cli.bench.clip_steps import bench_steps
    from palme.cli.bench.clip_zero_shot import bench_zero_shot
    from palme.models.clip.load import load_clip
    from palme.weight_files import WeightsError

    logging.disable_progress_bar()
    torch.set_num_threads(1)
    try:
        clip = load_clip(config.clip)
    except WeightsError as error:
        raise UsageError(str(error)) from error
    parts = (
        ("zero_shot", config.questions, lambda: bench_zero_shot(clip, config.questions, config.seed, bar)),
        ("calibration", config.calibrate, lambda: calibrate(clip, config, bar)),
        ("outcome", config.outcomes, lambda: bench_outcomes(clip, config, bar)),
        ("steps", config.episodes, lambda: bench_steps(clip, config, bar)),
    )
    figures: dict[str, Any] = {"seed": config.seed}
    for name, n, measure in parts:
        if n:
            figures[name] = measure()
            write_text(_folder(config) / "results.json", json.dumps(figures, indent=2) + "\n")
    return figures


def _folder(config: ClipBenchConfig) -> Any:
    from pathlib import Path

    return Path(config.out)


def show(figures: Figures) -> None:
    """A line a figure."""
    for part, found in figures.items():
        if isinstance(found, dict):
            print(part)
            for name, value in found.items():
                print(f"  {name:<22} {value}")


BENCH = Bench(ClipBenchConfig, bench_clip, show=show)
