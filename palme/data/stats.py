"""Statistics of an episode as LeRobot defines them: min, max, mean, std, count and five quantiles a feature.

Quantiles are read off a histogram of 5000 equal bins between the extremes, with linear interpolation inside
a bin, which is LeRobot's definition; sums are taken in double precision, where LeRobot keeps the column's.
Pictures are counted thinned out, to about 150 px on the longer side, every frame of them: 256 bins a channel
hold all there is to know, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Stats = dict[str, NDArray]

BINS = 5000
EDGE = 1e-10  # beyond the extremes, so that both lie inside
QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
NAMES = ("min", "max", "mean", "std", "count", *QUANTILES)
THIN_FROM, THIN_TO = 300, 150  # [px] pictures with a side from the first on are thinned to about the second


def column_stats(values: NDArray) -> Stats:
    """Of one feature over an episode: (T,) or (T, D); each statistic is (1,) or (D,)."""
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
    """Of one camera over an episode; each statistic is (3, 1, 1), in [0, 1].

    Args:
        counts: (3, 256) how often each value occurs in each channel.
    """
    levels = np.arange(256.0)
    total = counts.sum(1)
    mean = counts @ levels / total
    there = counts > 0
    out: Stats = {
        "min": there.argmax(1).astype(float),
        "max": 255.0 - there[:, ::-1].argmax(1),
        "mean": mean,
        "std": np.sqrt(np.maximum(counts @ levels**2 / total - mean**2, 0.0)),
    }
    columns = [_quantiles(levels[there[c]], counts[c, there[c]]) for c in range(3)]
    out |= _named(np.array(columns), mean, 2)
    return {name: value.reshape(3, 1, 1) / 255.0 for name, value in out.items()} | {
        "count": np.array([n_frames])
    }


def count_levels(rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(3, 256) how often each value occurs in each channel of one picture (H, W, 3), thinned out."""
    step = max(rgb.shape[:2]) // THIN_TO if max(rgb.shape[:2]) >= THIN_FROM else 1
    thin = rgb[::step, ::step]
    return np.stack([np.bincount(thin[..., c].ravel(), minlength=256) for c in range(3)])


def aggregate(episodes: Sequence[Mapping[str, Stats]]) -> dict[str, Stats]:
    """Of a whole data set, from those of its episodes: quantiles are weighted means, as in LeRobot."""
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
    if n < 2:  # LeRobot: one value has no quantiles, its mean stands for them
        return {name: mean.copy() for name in QUANTILES}
    return {name: columns[:, i] for i, name in enumerate(QUANTILES)}


def _quantiles(values: NDArray, weights: NDArray) -> list[float]:
    """The five quantiles of `values`, each counted `weights` times."""
    edges = np.linspace(values.min() - EDGE, values.max() + EDGE, BINS + 1)
    counts, _ = np.histogram(values, edges, weights=weights)
    upto = np.cumsum(counts)
    found = []
    for q in QUANTILES.values():
        wanted = q * upto[-1]
        bin_ = int(np.searchsorted(upto, wanted))
        if bin_ == 0:
            found.append(float(edges[0]))
            continue
        bin_ = min(bin_, BINS - 1)
        inside = (wanted - upto[bin_ - 1]) / counts[bin_] if counts[bin_] else 0.0
        found.append(float(edges[bin_] + inside * (edges[bin_ + 1] - edges[bin_])))
    return found
