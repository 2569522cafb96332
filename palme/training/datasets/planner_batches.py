"""Endless batches of questions for the planner, made in worker processes."""

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
from palme.training.datasets.examples import Example

HEAVY = 4  # weight of a tower's direction: one word of about thirty, on which every step depends


Read = Callable[[Sequence[str]], np.ndarray]
"""Sentences -> (B, D), as `InstructionEncoder.read`."""


@dataclass
class Batch:
    """Q sequences, padded on the right.

    Attributes:
        ids: (Q, T) token ids.
        length: (Q,) tokens of each sequence without padding.
        at: (M,) flat positions in `ids` before a target.
        target: (M,) the next token there.
        weight: (M,) of each target in the loss.
        kind: (M,) index into `kinds`.
        kinds: kinds of questions.
        observations: see `palme.models.processor.Observations`, as numpy arrays.
    """

    ids: np.ndarray
    length: np.ndarray
    at: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    kind: np.ndarray
    kinds: list[str]
    observations: dict[str, Arrays]


def collate(examples: Sequence[Example], pad: int, read: Read | None = None) -> Batch:
    """A batch, padded on the right; the weight of a question does not depend on the length of its answer.

    Args:
        examples: Q sequences.
        pad: token id of padding.
        read: instructions -> features; None = no example has `<read>`.
    """
    t = max(len(e.ids) for e in examples)
    ids = np.full((len(examples), t), pad, np.int64)
    at, target, weight, kind = [], [], [], []
    kinds = sorted({s[0] for e in examples for s in e.spans})
    for i, e in enumerate(examples):
        ids[i, : len(e.ids)] = e.ids
        for name, w, start, end in e.spans:
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
    )


def observations(examples: Sequence[Example], read: Read | None = None) -> dict[str, Arrays]:
    """The observations of `examples` and their places; `read` as in `collate`.

    Raises:
        ValueError: if an example has `<read>` and `read` is None.
    """
    instructions = [e.instruction for e in examples if e.instruction]
    if instructions and read is None:
        raise ValueError("examples contain <read>: pass read=, the text encoder's `read`")
    features = iter([] if read is None or not instructions else read(instructions))
    placed = Placed()
    for row, e in enumerate(examples):
        given: dict[str, Any] = {"obj": e.objects, "state": e.robot}
        if e.instruction:
            given["read"] = next(features)
        for column, part in e.places:
            placed.add(row, column, part, given[part.source])
    return placed.arrays()


class Maker(Protocol):
    """A source of questions.

    Attributes:
        vocabulary: of the examples' tokens.
    """

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
    """Endless batches of about `tokens` padded tokens, sorted by length in a pool to reduce padding.

    Args:
        makers: sources of questions, of one vocabulary.
        shares: rate of each source.
        tokens: of a batch, padding included.
        seed: of the order of batches.
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
"""Sources of questions, and the rate of each."""


def start_workers(
    make: Callable[[int], Makers],
    tokens: int,
    seeds: Sequence[int],
    read: Read | None = None,
    part: slice = slice(None),
) -> tuple[Any, list[Any]]:
    """(a queue of batches, the processes that fill it), one process for each seed.

    The text encoder runs there as well: it takes about as long as the training step.

    Args:
        make: seed -> sources of questions.
        tokens: see `batches`.
        seeds: of the processes.
        read: as in `collate`.
        part: see `batches`.
    """
    context = mp.get_context("fork")
    queue: Any = context.Queue(12)
    workers = [
        context.Process(target=_fill, args=(make, tokens, seed, queue, read, part), daemon=True)
        for seed in seeds
    ]
    for worker in workers:
        worker.start()
    return queue, workers


def stop_workers(workers: Sequence[Any]) -> None:
    """Terminate and join all workers."""
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join(5.0)
        if worker.is_alive():
            worker.kill()
            worker.join()


def next_batch(queue: Any, worker: Any) -> Batch:
    """The next batch of `queue`.

    Raises:
        RuntimeError: if the worker ended.
    """
    while True:
        try:
            batch: Batch = queue.get(timeout=5.0)
            return batch
        except Empty:
            if not worker.is_alive():
                raise RuntimeError(
                    f"the worker that makes questions ended with code {worker.exitcode}; see its error above"
                ) from None


def _fill(
    make: Callable[[int], Makers], tokens: int, seed: int, queue: Any, read: Read | None, part: slice
) -> None:
    # The inherited SIGTERM handler, or unread batches in the queue, would keep this process alive after its
    # trainer.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # they reach all processes; the trainer stops its workers
    queue.cancel_join_thread()
    os.nice(5)
    for batch in batches(*make(seed), tokens, seed, read, part):
        queue.put(batch)
