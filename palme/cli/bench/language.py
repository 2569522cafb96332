"""`palme bench language`: what reading a sentence takes, beside `generate` of `transformers` in fp32.

Both read the same sentences in turn, each `repeats` times of which the least counts. Times are of this
process on the processor, so that what else runs counts little; `read_wall_*` are those on the wall.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from palme.cli.bench.base import Bar, Bench
from palme.cli.errors import UsageError
from palme.cli.rig.readers import own_reader
from palme.cli.settings.bench import LanguageBenchConfig

AT_MOST_S = 1.0  # median of a new sentence on one core


def bench_language(config: LanguageBenchConfig, bar: Bar) -> dict[str, Any]:
    """Figures by name. `bar(what, total)` makes a progress bar."""
    import torch

    from palme.language.programs.prompt import program_ids, prompt_ids
    from palme.language.vocabulary import Vocabulary
    from palme.planners.program.reader import NotRead
    from palme.training.datasets.instructions.drawing import Instructions

    torch.set_num_threads(1)
    drawn = Instructions().examples(random.Random(config.seed))
    sentences = [next(drawn).sentence for _ in range(config.sentences)]
    loading, reader = _timed(lambda: own_reader(config.planner), 1)
    tokenizer = reader.tokenizer
    generate = _generate(config) if config.peer else None
    vocabulary = Vocabulary(tokenizer)
    took: dict[str, list[float]] = {"read": [], "alternatives": [], "generate": [], "wall": []}
    tokens: list[int] = []
    not_read = 0
    with bar("language", len(sentences)) as progress:
        for sentence in sentences:
            try:
                seconds, reading = _timed(lambda s=sentence: reader.read(s), config.repeats)  # type: ignore[misc]
            except NotRead:
                not_read += 1
                progress.update(1)
                continue
            took["read"].append(seconds)
            took["wall"].append(reading.seconds)
            took["alternatives"].append(_timed(lambda s=sentence: reader.alternatives(s), config.repeats)[0])  # type: ignore[misc]
            tokens.append(len(program_ids(vocabulary, reading.program)))
            if generate is not None:
                prompt = prompt_ids(tokenizer, sentence)
                took["generate"].append(_timed(lambda p=prompt: generate(p, tokens[-1]), config.repeats)[0])  # type: ignore[misc]
            progress.update(1)
    if not tokens:
        raise UsageError("no sentence was read; train an adapter, or planner.in_context=true")
    read = np.array(took["read"])
    found: dict[str, Any] = {
        "precision": reader.runtime.precision, "loading_s": round(loading, 2), "sentences": len(read),
        "not_read": not_read, "tokens_a_program": round(float(np.mean(tokens)), 1),
        "read_s_median": _at(read, 50), "read_s_p95": _at(read, 95),
        "read_wall_s_median": _at(took["wall"], 50), "read_wall_s_p95": _at(took["wall"], 95),
        "tokens_a_second": round(sum(tokens) / float(read.sum()), 1),
        "alternatives_over_read": round(float(np.sum(took["alternatives"]) / read.sum()), 2),
    }  # fmt: skip
    if took["generate"]:
        found["generate_fp32_s_median"] = _at(took["generate"], 50)
        found["generate_fp32_over_read"] = round(float(np.sum(took["generate"]) / read.sum()), 2)
    return found


def _generate(config: LanguageBenchConfig) -> Callable[[list[int], int], Any]:
    """(prompt, tokens) to greedy decoding of as many by `transformers`, as anybody would call it."""
    import torch

    from palme.models.pretrained.load import pretrained

    model = pretrained(config.planner.model)[0].float()

    def run(prompt: list[int], n: int) -> Any:
        ids = torch.tensor([prompt])
        with torch.inference_mode():
            return model.generate(
                ids, attention_mask=torch.ones_like(ids), min_new_tokens=n, max_new_tokens=n, do_sample=False
            )

    return run


def _timed(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Least processor time in [s], and what came of it."""
    least = np.inf
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        least = min(least, time.process_time() - start)
    return float(least), result


def _at(seconds: Any, percent: float) -> float:
    return round(float(np.percentile(seconds, percent)), 3)


BENCH = Bench(LanguageBenchConfig, bench_language, lambda figures: not figures["read_s_median"] <= AT_MOST_S)
