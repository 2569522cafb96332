"""`palme bench senses`: what a model answers from each sense alone, and with that sense blank.

Events are simulated anew, by seeds that no training uses. `results.json` holds for each sense the number of
questions, right answers, right answers with zeros in place of the observation, and chance; `by_question`
holds [right, asked] for each of its questions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.errors import UsageError
from palme.cli.settings.senses import SensesBenchConfig
from robots.files import write_text


def bench_senses(config: SensesBenchConfig, bar: Bar) -> dict[str, Any]:
    """Figures by sense, also written to `results.json`."""
    import torch
    from transformers.utils import logging

    from palme.cli.rig.sense_sources import sense_source
    from palme.models.embodied_lm import EmbodiedLM
    from palme.models.processor import EmbodiedProcessor
    from palme.report.stats import wilson
    from palme.training.datasets.sense_examples import Events, events
    from palme.training.datasets.sense_questions import SENSE_TASKS
    from palme.training.senses_eval import score

    logging.disable_progress_bar()
    torch.set_num_threads(config.threads)
    model = EmbodiedLM.from_pretrained(config.weights, dtype=torch.float32).eval()
    processor = EmbodiedProcessor.from_pretrained(config.weights)
    known = {name for name in SENSE_TASKS if _placeholder(name) in model.config.modalities}
    names = tuple(config.senses) or tuple(sorted(known))
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"senses: {config.weights} knows no {unknown[0]!r}; it knows {', '.join(sorted(known))}"
        )
    by_source: dict[str, list[str]] = {}
    for name in names:
        by_source.setdefault(SENSE_TASKS[name].source, []).append(name)
    found: dict[str, Any] = {}
    with bar("senses", config.n * (len(by_source) + len(names))) as progress:

        def watched(numbers: Sequence[int], title: str) -> Iterator[int]:
            progress.set_postfix_str(title)
            for k in numbers:
                yield k
                progress.update(1)

        for source, of_source in by_source.items():
            with sense_source(source) as draw:
                drawn: Events = events(draw, source, "bench", config.seed, config.n, watched=watched)
            for name in of_source:
                s = score(model, processor, name, drawn, config.seed)
                low, high = wilson(s.right, s.n)
                found[name] = {
                    "n": s.n, "right": s.right, "blanked_right": s.blanked_right,
                    "chance": round(s.chance, 4), "wilson95": [round(low, 4), round(high, 4)],
                    "by_question": {fact: list(counts) for fact, counts in s.by_question.items()},
                }  # fmt: skip
                progress.update(config.n)
    figures = {
        "command": {"seed": config.seed, "n": config.n, "weights": str(config.weights)},
        "senses": dict(sorted(found.items())),
    }
    write_text(config.out / "results.json", json.dumps(figures, indent=2) + "\n")
    return figures


def _placeholder(name: str) -> str:
    from palme.models.modality import modality

    return modality(name).placeholder


def show(figures: Figures) -> None:
    """A table: a line a sense."""
    print(f"{'sense':<16} {'right':>12} {'95 % interval':>16} {'blanked':>9} {'chance':>8}  by question")
    for name, row in figures["senses"].items():
        low, high = (100 * p for p in row["wilson95"])
        blank = 100 * row["blanked_right"] / row["n"]
        print(
            f"{name:<16} {row['right']:>5} of {row['n']:<4} {low:>7.1f} to {high:<4.1f} % {blank:>7.1f} % "
            f"{100 * row['chance']:>6.1f} %  "
            + ", ".join(f"{fact} {right} of {n}" for fact, (right, n) in row["by_question"].items())
        )


BENCH = Bench(SensesBenchConfig, bench_senses, show=show)
"""No target fails this bench: figures are what they are, see docs/senses.md."""
