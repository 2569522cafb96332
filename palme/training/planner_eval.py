"""How well a planner does on symbolic states: next steps, closed loops, short questions; no rendering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from palme.language.constrained_decoding import AnswerGrammar, Evidence
from palme.language.instruction_encoder import InstructionEncoder
from palme.language.tokenizer import small_words
from palme.language.vocabulary import Vocabulary
from palme.models.decoding import decode_batch
from palme.models.embodied_lm import EmbodiedLM
from palme.models.processor import tensors
from palme.training.datasets.detection_noise import SHARP, DetectionNoise
from palme.training.datasets.planner_batches import observations
from palme.training.datasets.questions import Example, QuestionMaker, TaskSource
from robots.skills import DONE

FAMILIES = ("put_in_bowl", "stack_tower", "match_bowls")


def answers(
    model: EmbodiedLM,
    examples: Sequence[Example],
    constrained: bool = True,
    reader: InstructionEncoder | None = None,
    vocabulary: Vocabulary | None = None,
) -> list[list[str]]:
    """What the model writes after each example's prompt, in words of `vocabulary` (the small model's)."""
    vocabulary = vocabulary or small_words()
    read = None if reader is None else reader.read
    was_training = model.training
    model.eval()
    said: list[list[str]] = []
    for k in range(0, len(examples), 100):
        part = examples[k : k + 100]
        t = max(e.prompt for e in part)
        ids = torch.full((len(part), t), vocabulary.pad)
        for i, e in enumerate(part):
            ids[i, : e.prompt] = torch.tensor(e.ids[: e.prompt])
        prompts = [replace(e, places=[(c, p) for c, p in e.places if c < e.prompt]) for e in part]
        with torch.inference_mode():
            x = model.embed(ids, tensors(observations(prompts, read)))
        walks = None
        if constrained:
            seen = [Evidence.of(e.objects["class_probs"]) for e in part]
            walks = [AnswerGrammar(vocabulary, s).walk() for s in seen]
        said += [
            list(s.words) for s in decode_batch(model, x, [e.prompt for e in part], vocabulary, walks, 80)
        ]
    model.train(was_training)
    return said


def step_text(said: Sequence[str]) -> str:
    """The step at the end of an answer, as the skill grammar writes it; "" if there is none."""
    words = list(said)
    if words and words[-1] == ".":
        words.pop()
    if ";" in words:
        words = words[len(words) - words[::-1].index(";") :]
    if len(words) == 4 and words[0] == "put":
        return f"put the {words[1].replace('_', ' ')} {words[2]} the {words[3].replace('_', ' ')}"
    return " ".join(words)


def evaluate(
    model: EmbodiedLM,
    source: TaskSource,
    n: int,
    seed: int,
    noise: DetectionNoise | None = None,
    wrong: list | None = None,
    reader: InstructionEncoder | None = None,
) -> dict[str, float]:
    """Next step in the acceptable set (training and validation phrasings), closed loop, short questions.

    Shares in [0, 1]. The closed loop applies each step to the symbolic state and asks again.
    """
    noise = SHARP if noise is None else noise
    results: dict[str, float] = {}
    for split in ("train", "validation"):
        for family in FAMILIES:
            maker = QuestionMaker(source, seed, split, noise, 0.0, {}, read=reader is not None)
            examples = [maker.example(family) for _ in range(n)]
            said = answers(model, examples, reader=reader)
            right = [
                step_text(s) in map(str, e.task.acceptable_steps(e.state))
                for s, e in zip(said, examples, strict=True)
            ]
            results[f"next_step/{split}/{family}"] = sum(right) / n
            if wrong is not None:
                wrong += [(split, e, s) for s, e, r in zip(said, examples, right, strict=True) if not r]
    for family in FAMILIES:
        results[f"closed_loop/{family}"] = closed_loop(
            model, source, family, max(20, n // 3), seed + 1, noise, reader=reader
        )
    for kind in ("success", "vqa", "nonsense", "absent"):
        maker = QuestionMaker(source, seed, "train", noise, 0.0, {kind: 1.0}, read=reader is not None)
        examples = [maker.example("put_in_bowl" if kind == "absent" else None) for _ in range(n)]
        said = answers(model, examples, kind in ("nonsense", "absent"), reader)
        truth = [maker.vocabulary.words(e.ids[e.said[0][2] : e.said[0][3] - 1]) for e in examples]
        results[f"question/{kind}"] = sum(s[-2:] == t[-2:] for s, t in zip(said, truth, strict=True)) / n
    return {name: round(value, 4) for name, value in results.items()}


def closed_loop(
    model: EmbodiedLM,
    source: TaskSource,
    family: str,
    n: int,
    seed: int,
    noise: DetectionNoise,
    max_steps: int = 16,
    reader: InstructionEncoder | None = None,
) -> float:
    """Share of tasks brought to "done" with the goal reached, symbolic world, validation phrasings."""
    maker = QuestionMaker(source, seed, "validation", noise, 0.0, {}, read=reader is not None)
    tasks = [maker.example(family) for _ in range(n)]
    going = [(e.task, e.state) for e in tasks]
    achieved = 0
    for _ in range(max_steps):
        examples = []
        for task, state in going:
            listed = list(range(len(state.objects)))
            maker.rng.shuffle(listed)
            examples.append(maker.again(task, state, listed))
        following = []
        for (task, state), said in zip(going, answers(model, examples, reader=reader), strict=True):
            text = step_text(said)
            steps = {str(step): step for step in source.feasible(state)}
            if text == "done":
                achieved += DONE in task.acceptable_steps(state)
            elif text in steps:
                following.append((task, source.apply(state, steps[text])))
        going = following
        if not going:
            break
    return achieved / n
