"""Evaluation of an embodied model: each kind of question on unseen scenes, decoded within its choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from palme.language.constrained_decoding import AnswerGrammar, Evidence, Walk
from palme.language.instruction_encoder import FOLDER, InstructionEncoder
from palme.language.vocabulary import ENTITY_WORDS, EOS, Vocabulary
from palme.models.decoding import decode_batch
from palme.models.embodied_lm import EmbodiedLM
from palme.models.modality import Modality
from palme.training.datasets.asked_batches import AskedBatch, batch_of
from palme.training.datasets.asked_scenes import KINDS, NEXT, Asked, AskedScene, SceneMaker
from palme.training.datasets.detection_noise import SHARP
from palme.training.datasets.planner_batches import Read
from palme.training.datasets.tasks import TaskSource
from palme.training.planner_eval import FAMILIES, step_words
from robots.skills import BadStep, Step

if TYPE_CHECKING:
    from palme.training.models.embodied import EmbodiedWriter

Counts = dict[str, tuple[int, int]]
"""Right and asked of each kind."""
TOGETHER = 4  # scenes of a batch
DECODED = 20  # prompts that are continued together


def senses_of(model: EmbodiedLM) -> dict[str, Modality]:
    """The model's own modalities by placeholder."""
    config: Any = model.config
    found = [Modality.from_dict(described) for described in config.modalities.values()]
    return {kind.placeholder: kind for kind in found}


def text_encoder(model: EmbodiedLM, folder: str | Path) -> Read | None:
    """That of the planner in `folder`, None = it has none."""
    return InstructionEncoder.load(Path(folder) / FOLDER).read if "read" in model.senses else None


def evaluate(
    net: EmbodiedWriter,
    vocabulary: Vocabulary,
    source: TaskSource,
    n: int,
    seed: int,
    read: Read | None = None,
) -> Counts:
    """Right and asked of each kind; instructions of the validation phrasings, a perfect detector.

    An answer is right if decoding within the grammar gives it; a step if it is acceptable, whatever the
    rationale.

    Args:
        net: the model.
        vocabulary: of its tokens.
        source: tasks and states.
        n: scenes for the questions, and scenes for the next step.
        seed: of the scenes.
        read: text encoder of a model with `<read>`.
    """
    counts: Counts = {}
    short = [kind for kind in KINDS if kind != NEXT]
    maker = SceneMaker(source, seed, "validation", SHARP)
    scenes = [maker.scene(short) for _ in range(n)]
    config: Any = net.model.config
    senses = senses_of(net.model)
    with torch.inference_mode():
        for k in range(0, n, TOGETHER):
            part = scenes[k : k + TOGETHER]
            batch = batch_of(part, vocabulary, senses, config.scene_first)
            for kind, is_right in _short(net, part, batch, vocabulary):
                found, asked = counts.get(kind, (0, 0))
                counts[kind] = (found + is_right, asked + 1)
        for family in FAMILIES:
            part = [maker.scene((NEXT,), family=family) for _ in range(-(-n // len(FAMILIES)))]
            said = steps(net.model, vocabulary, part, senses, read)
            right = sum(_acceptable(scene, step) for scene, step in zip(part, said, strict=True))
            counts[f"{NEXT}/{family}"] = (right, len(part))
    total = [counts[f"{NEXT}/{family}"] for family in FAMILIES]
    counts[NEXT] = (sum(right for right, _ in total), sum(asked for _, asked in total))
    return counts


def _short(
    net: EmbodiedWriter, scenes: Sequence[AskedScene], batch: AskedBatch, vocabulary: Vocabulary
) -> list[tuple[str, bool]]:
    """(kind, whether decoding gives the right answer) of each question of `scenes`, which are in `batch`.

    Greedy decoding gives it if each of its tokens is the most probable one that may follow the right ones
    before it, which one pass tells.
    """
    logits = net(batch)  # (M, A)
    columns = {token: k for k, token in enumerate(net.rows.tolist())}
    asked = [one for scene in scenes for one in scene.asked]
    right = [True] * len(asked)
    walks = [walk_of(one, vocabulary) for one in asked]
    for row, token, q in zip(logits, batch.target.tolist(), batch.question.tolist(), strict=True):
        may = walks[q].allowed()
        best = may[int(row[[columns[t] for t in may]].argmax())]
        right[q] &= best == token
        walks[q].push(token)
    return [(one.kind, ok) for one, ok in zip(asked, right, strict=True)]


def walk_of(one: Asked, vocabulary: Vocabulary) -> Walk:
    """What may be answered to a short question, or to one for success."""
    if one.given:
        return AnswerGrammar(vocabulary).check_walk(*one.given)
    return Walk(vocabulary, lambda prefix: (EOS,) if prefix else one.choices)


def steps(
    model: EmbodiedLM,
    vocabulary: Vocabulary,
    scenes: list[AskedScene],
    senses: Mapping[str, Modality],
    read: Read | None = None,
) -> list[str]:
    """The step that the model answers to the instruction of each scene, by names; "" = none."""
    config: Any = model.config
    out: list[str] = []
    for k in range(0, len(scenes), DECODED):
        part = scenes[k : k + DECODED]
        prompts, lengths, walks = [], [], []
        for scene in part:
            one = AskedScene(scene.objects, scene.robot, scene.task, scene.state, (_cut(scene.asked[0]),))
            batch = batch_of([one], vocabulary, dict(senses), config.scene_first, read)
            x = model.embed(batch.ids, batch.observations)[0]  # (T, D)
            prompts.append(x)
            lengths.append(len(x))
            evidence = Evidence.of(scene.objects["class_probs"], refer=config.scene_first)
            walks.append(AnswerGrammar(vocabulary, evidence).walk())
        x = torch.nn.utils.rnn.pad_sequence(prompts, batch_first=True)
        for answer, scene in zip(decode_batch(model, x, lengths, vocabulary, walks, 200), part, strict=True):
            out.append(_step(list(answer.words), scene))
    return out


def _cut(one: Asked) -> Asked:
    """The question with an answer of one token, which is no part of the prompt."""
    return Asked(one.kind, one.text, (";",))


def _step(words: list[str], scene: AskedScene) -> str:
    names = [ENTITY_WORDS[k].replace("_", " ") for k in scene.objects["class_probs"].argmax(1)]
    try:
        return str(Step.parse(" ".join(step_words(words))).resolve(names))
    except BadStep:
        return ""


def _acceptable(scene: AskedScene, step: str) -> bool:
    return step in map(str, scene.task.acceptable_steps(scene.state))
