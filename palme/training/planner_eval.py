"""Evaluation of a planner on symbolic states: next steps, closed loops, short questions; no rendering."""

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
from palme.training.datasets.examples import Example
from palme.training.datasets.planner_batches import observations
from palme.training.datasets.questions import QuestionMaker
from palme.training.datasets.tasks import TaskSource
from robots.skills import DONE

FAMILIES = ("put_in_bowl", "stack_tower", "match_bowls")


def answers(
    model: EmbodiedLM,
    examples: Sequence[Example],
    constrained: bool = True,
    instruction_encoder: InstructionEncoder | None = None,
    vocabulary: Vocabulary | None = None,
) -> list[list[str]]:
    """The model's answer to the first question of each example, in words.

    Args:
        model: the planner.
        examples: sequences; their answers are not used.
        constrained: whether answers are decoded in the grammar.
        instruction_encoder: for examples with `<read>`.
        vocabulary: None = the small model's.
    """
    vocabulary = vocabulary or small_words()
    read = None if instruction_encoder is None else instruction_encoder.read
    was_training = model.training
    model.eval()
    written: list[list[str]] = []
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
            evidence = [Evidence.of(e.objects["class_probs"]) for e in part]
            walks = [AnswerGrammar(vocabulary, one).walk() for one in evidence]
        written += [
            list(a.words) for a in decode_batch(model, x, [e.prompt for e in part], vocabulary, walks, 80)
        ]
    model.train(was_training)
    return written


def step_words(written: Sequence[str]) -> list[str]:
    """The words of the step at the end of an answer, without its rationale and the full stop."""
    words = list(written)
    if words and words[-1] == ".":
        words.pop()
    return words[len(words) - words[::-1].index(";") :] if ";" in words else words


def step_text(written: Sequence[str]) -> str:
    """The step at the end of an answer, in the skill grammar; "" = none."""
    words = step_words(written)
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
    instruction_encoder: InstructionEncoder | None = None,
) -> dict[str, float]:
    """Shares in [0, 1] of correct next steps, closed loops and short questions.

    Args:
        model: the planner.
        source: tasks and states.
        n: examples of each figure.
        seed: of all draws.
        noise: of the simulated detections; None = none.
        wrong: gets (split, example, answer) of each wrong next step.
        instruction_encoder: for a planner with `<read>`.
    """
    noise = SHARP if noise is None else noise
    results: dict[str, float] = {}
    for split in ("train", "validation"):
        for family in FAMILIES:
            maker = QuestionMaker(source, seed, split, noise, 0.0, {}, read=instruction_encoder is not None)
            examples = [maker.example(family) for _ in range(n)]
            written = answers(model, examples, instruction_encoder=instruction_encoder)
            right = [
                step_text(s) in map(str, e.task.acceptable_steps(e.state))
                for s, e in zip(written, examples, strict=True)
            ]
            results[f"next_step/{split}/{family}"] = sum(right) / n
            if wrong is not None:
                wrong += [(split, e, s) for s, e, r in zip(written, examples, right, strict=True) if not r]
    for family in FAMILIES:
        results[f"closed_loop/{family}"] = closed_loop(
            model, source, family, max(20, n // 3), seed + 1, noise, instruction_encoder=instruction_encoder
        )
    for kind in ("success", "vqa", "nonsense", "absent"):
        maker = QuestionMaker(
            source, seed, "train", noise, 0.0, {kind: 1.0}, read=instruction_encoder is not None
        )
        examples = [maker.example("put_in_bowl" if kind == "absent" else None) for _ in range(n)]
        written = answers(model, examples, kind in ("nonsense", "absent"), instruction_encoder)
        truth = [maker.vocabulary.words(e.ids[e.spans[0][2] : e.spans[0][3] - 1]) for e in examples]
        results[f"question/{kind}"] = sum(s[-2:] == t[-2:] for s, t in zip(written, truth, strict=True)) / n
    return {name: round(value, 4) for name, value in results.items()}


def closed_loop(
    model: EmbodiedLM,
    source: TaskSource,
    family: str,
    n: int,
    seed: int,
    noise: DetectionNoise,
    max_steps: int = 16,
    instruction_encoder: InstructionEncoder | None = None,
) -> float:
    """Share of tasks that end with "done" and the goal reached; validation phrasings.

    Each step is applied to the symbolic state, then the planner is asked again, at most `max_steps` times.
    """
    maker = QuestionMaker(source, seed, "validation", noise, 0.0, {}, read=instruction_encoder is not None)
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
        for (task, state), written in zip(
            going, answers(model, examples, instruction_encoder=instruction_encoder), strict=True
        ):
            text = step_text(written)
            steps = {str(step): step for step in source.feasible(state)}
            if text == "done":
                achieved += DONE in task.acceptable_steps(state)
            elif text in steps:
                following.append((task, source.apply(state, steps[text])))
        going = following
        if not going:
            break
    return achieved / n
