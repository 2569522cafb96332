"""Log of a training run: log.jsonl, curves for TensorBoard and one printed line for each record."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

Figures = Mapping[str, float | Tensor]
"""Names to numbers; a tensor holds one number and is read only when a record is written."""


class Log:
    """Records in the folder `out`. Numbers of single steps are averaged until the next record."""

    def __init__(self, out: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._file = (out / "log.jsonl").open("a", encoding="utf-8")
        self._curves = SummaryWriter(str(out / "tensorboard"))
        self._steps: list[Figures] = []

    def add(self, figures: Figures) -> None:
        """Numbers of one step."""
        self._steps.append(figures)

    def means(self) -> dict[str, float]:
        """Of what was added since the last call."""
        found = means(self._steps)
        self._steps.clear()
        return found

    def write(self, kind: str, step: int, seconds: float, figures: Mapping[str, float]) -> None:
        """One record. `kind` (train | evaluation | final) groups the curves."""
        rounded = {name: round(float(value), 6) for name, value in figures.items()}
        record = {"kind": kind, "step": step, "seconds": round(seconds, 1), **rounded}
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        for name, value in rounded.items():
            self._curves.add_scalar(f"{kind}/{name}", value, step)
        shown = "  ".join(f"{name} {value:.4g}" for name, value in rounded.items())
        print(f"{kind}  step {step}  {seconds:.0f} s  {shown}", flush=True)

    def close(self) -> None:
        """Flush and close the files."""
        self._curves.close()
        self._file.close()


def means(found: Iterable[Figures]) -> dict[str, float]:
    """The mean of each figure where it is given; NaN (nothing to measure in a batch) is left out."""
    numbers: dict[str, list[float]] = defaultdict(list)
    for figures in found:
        for name, value in figures.items():
            numbers[name] += [] if math.isnan(value) else [float(value)]
    return {name: sum(values) / len(values) if values else math.nan for name, values in numbers.items()}
