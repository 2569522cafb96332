"""`palme sense NAME`: one simulated event as a sense perceives it, a question about it, and the answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError, unknown
from palme.cli.settings.senses import SenseConfig
from robots.files import replacing

ALL = "all"  # in place of a name: one sheet of every sense


def main(arguments: Sequence[str]) -> int:
    """Print question, truth and the model's answer, and write the picture. Returns 0.

    `palme sense all` writes the pictures of all senses on one sheet, and asks nothing.
    """
    from palme.training.datasets.sense_questions import SENSE_TASKS, asked

    names = [word for word in arguments if not is_override(word)]
    config = load(SenseConfig, [word for word in arguments if is_override(word)])
    if len(names) != 1:
        raise UsageError(f"name one sense of {', '.join(SENSE_TASKS)}: palme sense spectrogram")
    name = names[0]
    if name not in (*SENSE_TASKS, ALL):
        raise unknown("sense", name, (*SENSE_TASKS, ALL))
    from PIL import Image

    from palme.cli.rig.sense_sources import sense_source
    from palme.report.sense_picture import sense_picture

    if name == ALL:
        return _show_all(config)
    task, rng = SENSE_TASKS[name], np.random.default_rng(config.seed)
    with sense_source(task.source) as draw:
        observations, truth = draw(rng)
    sentence, answer, _ = asked(name, observations, truth, rng)
    file = config.out / f"{name}.png"
    with replacing(file) as beside:
        Image.fromarray(sense_picture(name, observations[task.sensor])).save(beside)
    print(sentence.text)
    print(f"truth   {answer}")
    for label, said in _answers(config, sentence):
        print(f"{label:<7} {said}")
    print(file)
    return 0


def _show_all(config: SenseConfig) -> int:
    """One sheet of the pictures of all senses, of one event of each source."""
    from PIL import Image

    from palme.cli.rig.sense_sources import sense_source
    from palme.report.sense_picture import sense_picture, sheet
    from palme.training.datasets.sense_questions import SENSE_TASKS

    drawn = {}
    for source in dict.fromkeys(task.source for task in SENSE_TASKS.values()):
        with sense_source(source) as draw:
            drawn[source], _ = draw(np.random.default_rng(config.seed))
    pictures = {
        name: sense_picture(name, drawn[task.source][task.sensor]) for name, task in SENSE_TASKS.items()
    }
    file = config.out / "senses.png"
    with replacing(file) as beside:
        Image.fromarray(sheet(pictures)).save(beside, optimize=True)
    print(file)
    return 0


def _answers(config: SenseConfig, sentence: object) -> list[tuple[str, str]]:
    """What the model says, and what it says of a blank observation."""
    import torch
    from transformers.utils import logging

    from palme.models.embodied_lm import EmbodiedLM
    from palme.models.processor import EmbodiedProcessor
    from palme.training.senses_eval import answers

    logging.disable_progress_bar()
    model = EmbodiedLM.from_pretrained(config.weights, dtype=torch.float32).eval()
    processor = EmbodiedProcessor.from_pretrained(config.weights)
    return [
        (label, answers(model, processor, [sentence], blank)[0])  # type: ignore[list-item]
        for label, blank in (("answer", False), ("blanked", True))
    ]
