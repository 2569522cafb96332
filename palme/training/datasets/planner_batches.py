"""Batches of questions for the planner, drawn without end in processes of their own."""

from __future__ import annotations

import multiprocessing as mp
import os
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty
from typing import Any, Protocol

import numpy as np

from palme.language.constrained_decoding import WAYS
from palme.language.vocabulary import PAD
from palme.models.object_batch import collate_arrays
from palme.training.datasets.questions import ID, Example

HEAVY = 4  # up or down: one word among thirty, on which the whole tower hangs
_WAY_IDS = frozenset(ID[w] for w in WAYS)


@dataclass
class Batch:
    """Q sequences, padded. `at` (M,) flat positions whose next token is to be said, `target` (M,) it,
    `weight` (M,), `kind` (M,) index into `kinds`; `alternative` (M, A) further right tokens, -1 = none;
    `heard` the instructions of Q and `reading` (Q, D) what a text encoder made of them."""

    ids: np.ndarray
    length: np.ndarray
    at: np.ndarray
    target: np.ndarray
    alternative: np.ndarray
    weight: np.ndarray
    kind: np.ndarray
    kinds: list[str]
    objects: dict[str, np.ndarray]
    state: np.ndarray
    heard: list[str]
    reading: np.ndarray | None = None


def collate(examples: Sequence[Example], feature_dim: int = 0) -> Batch:
    """Pads on the right; each question weighs the same however long its answer (but see `HEAVY`)."""
    t = max(len(e.ids) for e in examples)
    ids = np.full((len(examples), t), ID[PAD], np.int64)
    at, target, weight, kind, options = [], [], [], [], []
    kinds = sorted({s[0] for e in examples for s in e.said})
    for i, e in enumerate(examples):
        ids[i, : len(e.ids)] = e.ids
        for name, w, start, end in e.said:
            for p in range(start, end):
                at.append(i * t + p - 1)
                target.append(e.ids[p])
                weight.append(w / (end - start) * (HEAVY if e.ids[p] in _WAY_IDS else 1))
                kind.append(kinds.index(name))
                options.append(e.options.get(p, ()))
    alternative = np.full((len(at), max(1, *(len(o) for o in options), 1)), -1, np.int64)
    for i, o in enumerate(options):
        alternative[i, : len(o)] = o
    return Batch(
        ids,
        np.array([len(e.ids) for e in examples]),
        np.array(at),
        np.array(target),
        alternative,
        np.array(weight, np.float32),
        np.array(kind),
        kinds,
        collate_arrays([e.objects for e in examples], feature_dim),
        np.stack([e.robot for e in examples]),
        [e.heard for e in examples],
    )


class Maker(Protocol):
    """Where questions come from."""

    feature_dim: int

    def example(self) -> Example:
        """One training sequence."""


def batches(
    makers: Sequence[Maker], shares: Sequence[float], tokens: int, seed: int, part: slice = slice(None)
) -> Iterator[Batch]:
    """Endless batches of about `tokens` padded tokens. Sorting by length in a pool keeps padding low.

    Args:
        part: questions of each batch that are kept, one process's share.
    """
    rng = random.Random(seed)
    while True:
        pool = [rng.choices(makers, shares)[0].example() for _ in range(max(32, tokens // 8))]
        pool.sort(key=lambda e: len(e.ids) + rng.random())
        cuts: list[list[Example]] = []
        chunk: list[Example] = []
        for e in pool:
            if chunk and (len(chunk) + 1) * len(e.ids) > tokens:
                cuts.append(chunk)
                chunk = []
            chunk.append(e)
        rng.shuffle(cuts)  # the last, unfinished chunk is dropped with its length bias
        shared = [c for c in cuts if len(c) >= (part.step or 1)]  # each process gets a question
        yield from (collate(c[part], makers[0].feature_dim) for c in shared)


Makers = tuple[Sequence[Maker], Sequence[float]]
"""Where questions come from, and how often from each."""


Read = Callable[[Sequence[str]], np.ndarray]
"""Sentences -> (B, D), as `InstructionEncoder.read`."""


def serve(
    make: Callable[[int], Makers],
    tokens: int,
    seeds: Sequence[int],
    read: Read | None = None,
    part: slice = slice(None),
) -> tuple[Any, list[Any]]:
    """A queue of batches and the processes, one a seed, that fill it from what `make` says for their seed.

    Instructions are read there too: it takes about as long as learning from them.
    """
    context = mp.get_context("fork")
    queue: Any = context.Queue(12)
    workers = [
        context.Process(target=_work, args=(make, tokens, seed, queue, read, part), daemon=True)
        for seed in seeds
    ]
    for worker in workers:
        worker.start()
    return queue, workers


def end(workers: Sequence[Any]) -> None:
    """No worker outlives this."""
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join(5.0)
        if worker.is_alive():
            worker.kill()
            worker.join()


def taken(queue: Any, worker: Any) -> Batch:
    """The next batch. Raises RuntimeError if the worker died."""
    while True:
        try:
            batch: Batch = queue.get(timeout=5.0)
            return batch
        except Empty:
            if not worker.is_alive():
                raise RuntimeError(
                    f"the process that makes questions ended with code {worker.exitcode}; see its error above"
                ) from None


def _work(
    make: Callable[[int], Makers], tokens: int, seed: int, queue: Any, read: Read | None, part: slice
) -> None:
    # The trainer's own handler of SIGTERM came along with the fork; and nobody will read what is left in the
    # queue. Either would keep this process alive after its trainer, with whatever pipes it holds.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the trainer ends its workers
    queue.cancel_join_thread()
    os.nice(5)
    for batch in batches(*make(seed), tokens, seed, part):
        batch.reading = None if read is None else read(batch.heard)
        queue.put(batch)
