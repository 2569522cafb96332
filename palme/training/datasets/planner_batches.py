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

from palme.language.vocabulary import Vocabulary
from palme.models.encoders.base import Arrays
from palme.models.processor import Placed
from palme.training.datasets.questions import Example

HEAVY = 4  # up or down: one word among thirty, on which the whole tower hangs


Read = Callable[[Sequence[str]], np.ndarray]
"""Sentences -> (B, D), as `InstructionEncoder.read`."""


@dataclass
class Batch:
    """Q sequences, padded on the right.

    Attributes:
        ids: (Q, T) token ids; `length` (Q,) of them are real.
        at: (M,) flat positions whose next token is to be said.
        target: (M,) that token.
        weight: (M,) of each.
        kind: (M,) index into `kinds`.
        observations: what stands where, see `palme.models.processor.Observations`, as numpy arrays.
        heard: the instructions that a text encoder reads, in the order of `observations["read"]`.
    """

    ids: np.ndarray
    length: np.ndarray
    at: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    kind: np.ndarray
    kinds: list[str]
    observations: dict[str, Arrays]
    heard: list[str]


def collate(examples: Sequence[Example], pad: int, read: Read | None = None) -> Batch:
    """Pads on the right; each question weighs the same however long its answer (but see `HEAVY`).

    Args:
        pad: token id of padding.
        read: makes features of the instructions; None = no example has a place for them.
    """
    t = max(len(e.ids) for e in examples)
    ids = np.full((len(examples), t), pad, np.int64)
    at, target, weight, kind = [], [], [], []
    kinds = sorted({s[0] for e in examples for s in e.said})
    for i, e in enumerate(examples):
        ids[i, : len(e.ids)] = e.ids
        for name, w, start, end in e.said:
            for p in range(start, end):
                at.append(i * t + p - 1)
                target.append(e.ids[p])
                weight.append(w / (end - start) * (HEAVY if p in e.heavy else 1))
                kind.append(kinds.index(name))
    return Batch(
        ids,
        np.array([len(e.ids) for e in examples]),
        np.array(at),
        np.array(target),
        np.array(weight, np.float32),
        np.array(kind),
        kinds,
        observations(examples, read),
        [e.heard for e in examples if e.heard],
    )


def observations(examples: Sequence[Example], read: Read | None = None) -> dict[str, Arrays]:
    """What stands where in `examples`; `read` as in `collate`."""
    heard = [e.heard for e in examples if e.heard]
    if heard and read is None:
        raise ValueError("these examples hold <read>: give read=, what makes features of an instruction")
    features = iter([] if read is None or not heard else read(heard))
    placed = Placed()
    for row, e in enumerate(examples):
        given: dict[str, Any] = {"obj": e.objects, "state": e.robot}
        if e.heard:
            given["read"] = next(features)
        for column, part in e.places:
            placed.add(row, column, part, given[part.source])
    return placed.arrays()


class Maker(Protocol):
    """Where questions come from."""

    vocabulary: Vocabulary

    def example(self) -> Example:
        """One training sequence."""


def batches(
    makers: Sequence[Maker],
    shares: Sequence[float],
    tokens: int,
    seed: int,
    read: Read | None = None,
    part: slice = slice(None),
) -> Iterator[Batch]:
    """Endless batches of about `tokens` padded tokens. Sorting by length in a pool keeps padding low.

    Args:
        read: as in `collate`.
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
        yield from (collate(c[part], makers[0].vocabulary.pad, read) for c in shared)


Makers = tuple[Sequence[Maker], Sequence[float]]
"""Where questions come from, and how often from each."""


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
    for batch in batches(*make(seed), tokens, seed, read, part):
        queue.put(batch)
