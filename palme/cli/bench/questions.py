"""`palme bench questions`: what embodied models and small planners answer about scenes, side by side.

Right answers of each kind of question (`palme.training.datasets.scene_questions`) and next steps, with
Wilson's 95 % intervals, on the same unseen scenes for every model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.errors import UsageError
from palme.cli.settings.bench import QuestionsConfig


def bench_questions(config: QuestionsConfig, bar: Bar) -> dict[str, Any]:
    """Figures of each folder of weights, by kind of question."""
    import torch
    from transformers.utils import logging

    from palme.models.pretrained.cache import NotSetUp
    from palme.weight_files import WeightsError

    logging.disable_progress_bar()
    torch.set_num_threads(config.threads)
    out: dict[str, Any] = {}
    with bar("questions", len(config.weights)) as progress:
        for folder in config.weights:
            try:
                out[str(folder)] = _figures(folder, config)
            except (NotSetUp, WeightsError) as error:
                raise UsageError(str(error)) from error
            progress.update(1)
    return out


def _figures(folder: Path, config: QuestionsConfig) -> dict[str, Any]:
    from palme.cli.rig.task_source import task_source
    from palme.language.vocabulary import Vocabulary
    from palme.models.pretrained.embodied import load_embodied
    from palme.report.stats import wilson
    from palme.training.embodied_eval import evaluate, text_encoder
    from palme.training.models.embodied import EmbodiedWriter

    model, processor = load_embodied(folder)
    vocabulary = Vocabulary(processor.tokenizer)
    net = EmbodiedWriter(model, vocabulary).eval()
    counts = evaluate(net, vocabulary, task_source(), config.n, config.seed, text_encoder(model, folder))
    return {
        kind: {"right": right, "asked": asked, "wilson95": [round(p, 4) for p in wilson(right, asked)]}
        for kind, (right, asked) in counts.items()
    }


def show(figures: Figures) -> None:
    """A table: a line a kind, a column a model."""
    print(f"{'':<20}", *(f"{_short(name):>24}" for name in figures))
    kinds = list(dict.fromkeys(kind for row in figures.values() for kind in row))
    for kind in kinds:
        cells = []
        for row in figures.values():
            found = row.get(kind)
            low, high = (100 * p for p in found["wilson95"]) if found else (0, 0)
            cells.append(f"{found['right']}/{found['asked']} ({low:.0f}-{high:.0f} %)" if found else "-")
        print(f"{kind:<20}", *(f"{cell:>24}" for cell in cells))


def _short(name: str) -> str:
    path = Path(name)
    return path.parent.name if path.name == "model" else path.name


BENCH = Bench(QuestionsConfig, bench_questions, show=show)
