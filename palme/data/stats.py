"""Statistics of an episode as LeRobot defines them: min, max, mean, std, count and five quantiles a feature.

Quantiles are read from a histogram of 5000 equal bins between the extremes, with linear interpolation inside
a bin, which is LeRobot's definition. Sums use double precision; LeRobot keeps the column's. Images are
subsampled to about 150 px on the longer side; a histogram of 256 bins a channel is then exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Stats = dict[str, NDArray]

BINS = 5000
EDGE = 1e-10  # widens the histogram so that both extremes lie inside
QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
NAMES = ("min", "max", "mean", "std", "count", *QUANTILES)
SUBSAMPLE_FROM, SUBSAMPLE_TO = (
    300,
    150,
)  # [px] images with a side >= the first are reduced to about the second


def column_stats(values: NDArray) -> Stats:
    """Statistics of one feature, (T,) or (T, D); each is (1,) or (D,)."""
    rows = values.reshape(len(values), -1)
    out: Stats = {
        "min": rows.min(0),
        "max": rows.max(0),
        "mean": rows.mean(0, dtype=np.float64),
        "std": rows.std(0, dtype=np.float64),
        "count": np.array([len(rows)]),
    }
    columns = [_quantiles(column, np.ones(len(column))) for column in rows.astype(np.float64).T]
    return out | _named(np.array(columns), out["mean"], len(rows))


def image_stats(counts: NDArray[np.int64], n_frames: int) -> Stats:
    """Statistics of one camera; each is (3, 1, 1), in [0, 1].

    Args:
        counts: (3, 256) histogram of each channel.
        n_frames: number of images.
    """
    levels = np.arange(256.0)
    total = counts.sum(1)
    mean = counts @ levels / total
    present = counts > 0
    out: Stats = {
        "min": present.argmax(1).astype(float),
        "max": 255.0 - present[:, ::-1].argmax(1),
        "mean": mean,
        "std": np.sqrt(np.maximum(counts @ levels**2 / total - mean**2, 0.0)),
    }
    columns = [_quantiles(levels[present[c]], counts[c, present[c]]) for c in range(3)]
    out |= _named(np.array(columns), mean, 2)
    return {name: value.reshape(3, 1, 1) / 255.0 for name, value in out.items()} | {
        "count": np.array([n_frames])
    }


def count_levels(rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(3, 256) histogram of each channel of one image (H, W, 3), subsampled."""
    step = max(rgb.shape[:2]) // SUBSAMPLE_TO if max(rgb.shape[:2]) >= SUBSAMPLE_FROM else 1
    thin = rgb[::step, ::step]
    return np.stack([np.bincount(thin[..., c].ravel(), minlength=256) for c in range(3)])


def aggregate(episodes: Sequence[Mapping[str, Stats]]) -> dict[str, Stats]:
    """Statistics of a data set from those of its episodes; quantiles are weighted means, as in LeRobot."""
    keys = [key for key in (episodes[0] if episodes else {}) if all(key in one for one in episodes)]
    return {key: _aggregate([episode[key] for episode in episodes]) for key in keys}


def _aggregate(parts: Sequence[Stats]) -> Stats:
    count = np.array([float(part["count"][0]) for part in parts])
    share = count / count.sum()

    def mean_of(name: str) -> NDArray:
        return np.tensordot(share, np.stack([np.asarray(part[name], float) for part in parts]), 1)

    mean = mean_of("mean")
    spread = np.stack([np.asarray(part["std"]) ** 2 + (part["mean"] - mean) ** 2 for part in parts])
    out: Stats = {
        "min": np.stack([part["min"] for part in parts]).min(0),
        "max": np.stack([part["max"] for part in parts]).max(0),
        "mean": mean,
        "std": np.sqrt(np.tensordot(share, spread, 1)),
        "count": np.array([int(count.sum())]),
    }
    return out | {name: mean_of(name) for name in QUANTILES}


def _named(columns: NDArray, mean: NDArray, n: int) -> Stats:
    if n < 2:  # LeRobot: a single value has no quantiles; its mean stands for them
        return {name: mean.copy() for name in QUANTILES}
    return {name: columns[:, i] for i, name in enumerate(QUANTILES)}


def _quantiles(values: NDArray, weights: NDArray) -> list[float]:
    """The five quantiles of `values`, each counted `weights` times."""
    edges = np.linspace(values.min() - EDGE, values.max() + EDGE, BINS + 1)
    counts, _ = np.histogram(values, edges, weights=weights)
    cumulative = np.cumsum(counts)
    found = []
    for q in QUANTILES.values():
        wanted = q * cumulative[-1]
        k = int(np.searchsorted(cumulative, wanted))
        if k == 0:
            found.append(float(edges[0]))
            continue
        k = min(k, BINS - 1)
        inside = (wanted - cumulative[k - 1]) / counts[k] if counts[k] else 0.0
        found.append(float(edges[k] + inside * (edges[k + 1] - edges[k])))
    return found
