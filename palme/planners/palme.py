"""The PaLM-E planner: a language model continues a prompt with detected objects by the next step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from palme.errors import NoMotion
from palme.language.answers import Goal
from palme.language.constrained_decoding import AnswerGrammar, Evidence, Walk
from palme.language.explain import explain
from palme.language.instruction_encoder import FOLDER, InstructionEncoder
from palme.language.prompts import prompt_text, prompt_words, success_question
from palme.language.sentence import BadSentence, Sentence
from palme.language.text import blocks_said
from palme.language.vocabulary import Vocabulary
from palme.model_folders import told
from palme.models.decoding import Completion, decode_one
from palme.models.embodied_lm import EmbodiedLM
from palme.models.pretrained.embodied import load_embodied
from palme.models.processor import EmbodiedProcessor
from palme.perception.objects import PerceivedObjects
from palme.perception.remembered import RememberedObjects
from palme.planners.base import Context, PlannedStep, Verdict
from palme.planners.go_around import untried
from palme.weight_files import BadWeights
from robots.skills import TABLE, Location, Step
from robots.types import Observation

READ = "read"  # placeholder of the text encoder's features of the instruction
WEIGHTS = Path(__file__).parent.parent / "weights" / "planner"
TOKENIZER = "train a planner with `palme train planner`"
_REFUSAL = (
    "I cannot do that. I can put a block or cylinder into a bowl, stack blocks in an order, "
    "and sort blocks into the bowls of their colours."
)


class PalmePlanner:
    """Decodes an answer in the grammar: a rationale, then the step.

    Args:
        model: trained weights.
        processor: the model's own.
        detector: observation -> `PerceivedObjects`; called once for each observation.
        instruction_encoder: for a model that was trained with one; called once for each instruction.

    Attributes:
        last_sentence: prompt of the last answer, None = there was none.

    Raises:
        ValueError: if `instruction_encoder` is missing or superfluous.
    """

    def __init__(
        self,
        model: EmbodiedLM,
        processor: EmbodiedProcessor,
        detector: Callable[[Observation], PerceivedObjects],
        instruction_encoder: InstructionEncoder | None = None,
    ) -> None:
        reads = READ in model.senses
        if reads != (instruction_encoder is not None):
            raise ValueError(
                f"the model has {'a' if reads else 'no'} modality <{READ}>, instruction_encoder is "
                f"{'missing' if reads else 'given'}; load both from one folder"
            )
        self.model = model.eval()
        self.processor = processor
        self.last_sentence: Sentence | None = None
        self._detector = detector
        self._instruction_encoder = instruction_encoder
        self._encoded: tuple[str, np.ndarray] | None = None  # the last instruction and its features
        self._vocabulary = Vocabulary(processor.tokenizer)
        self._detected: tuple[Observation, PerceivedObjects] | None = None  # of the last observation
        self._remembered = RememberedObjects()  # of one run

    @classmethod
    def load(
        cls, detector: Callable[[Observation], PerceivedObjects], folder: str | Path = WEIGHTS
    ) -> PalmePlanner:
        """The planner with trained weights.

        Raises:
            WeightsMissing, BadWeights: no weights of a planner in `folder`, or files that do not belong
                together, with the remedy.
            NotSetUp: the language model that it is around is not in the cache.
        """
        model, processor = load_embodied(folder)
        encoder = InstructionEncoder.load(Path(folder) / FOLDER) if READ in model.senses else None
        _check_parts(model, processor, encoder, Path(folder))
        return cls(model, processor, detector, encoder)

    def next_step(self, context: Context) -> PlannedStep:
        """See `Planner.next_step`; refused are sentences outside the skills and objects not detected."""
        # Of several correct steps the order of the objects decides. Rotating it at every step prevents a loop
        # in which a block that fell onto another one is lifted off and put back.
        seen = self._detect(context, context.history[-1][0].what if context.history else "")
        if not len(seen):
            raise NoMotion("I see no object on the table.")
        plans = (
            self._planned(context, seen.rotated(len(context.history) + k))
            for k in range(len(seen) if context.blocked else 1)
        )
        return untried(plans, context.blocked)

    def _planned(self, context: Context, objects: PerceivedObjects) -> PlannedStep:
        history = [(step.words, success) for step, success in context.history]
        read_too = self._instruction_encoder is not None
        scene_first = self.model.config.scene_first
        prompt = prompt_words(
            context.instruction, len(objects), history, read=read_too, scene_first=scene_first
        )
        evidence = Evidence.of(objects.class_probs, scene_first, blocks_said(context.instruction))
        read = tuple(context.goal.words()) if isinstance(context.goal, Goal) else ()  # read once
        walk = AnswerGrammar(self._vocabulary, evidence).walk(read)
        answer = self._decode(context, objects, [*prompt, *read], walk)
        words = (*read, *answer.words)
        start = len(words) - words[::-1].index(";") if ";" in words else 0
        step_words = [w for w in words[start:] if w != "."]
        if "unknown" in step_words or not step_words:
            raise NoMotion(self._refusal(words))
        step = _named(Step.parse(" ".join(step_words)), objects)
        return PlannedStep(
            step,
            explain(words[:start]),
            answer.probability(start - len(read)),
            self.last_sentence,
            objects,
            Goal.parse(words),
        )

    def was_successful(self, context: Context, step: Step) -> Verdict:
        """The model's answer to "was STEP successful ?"; "done" is judged by planning the next step again."""
        objects = self._detect(context, step.what)
        if step.is_done:
            again = self.next_step(context)
            probability = 1.0 if again.probability is None else again.probability
            done = again.step.is_done
            return Verdict(done, probability if done else 1 - probability)
        step = step.resolve([objects.name(i) for i in range(len(objects))])
        start = [_word(step.target), _word(step.what)]
        question = success_question(step.text)
        scene_first = self.model.config.scene_first
        prompt = [*prompt_words(question, len(objects), ask="answer", scene_first=scene_first), *start]
        walk = AnswerGrammar(self._vocabulary).check_walk(*start)
        answer = self._decode(context, objects, prompt, walk)
        words = answer.words
        verdict = next((k for k, w in enumerate(words) if w in ("yes", "no")), None)
        if verdict is None:
            return Verdict(False, 0.5, "no answer")
        success = words[verdict] == "yes"
        p = answer.probability(0, verdict + 1)
        return Verdict(success, p if success else 1 - p, explain([*start, *words[: verdict + 1], ";"]))

    def _detect(self, context: Context, moved: str) -> PerceivedObjects:
        """What is there, and what was there in this run and is hidden now.

        Args:
            context: one without a goal begins another run, on a table that may be another.
            moved: what the last step was about.
        """
        observation = context.observation
        if self._detected is None or self._detected[0] is not observation:
            if context.goal is None:
                self._remembered.forget()
            found = self._detector(observation)
            self._detected = (observation, self._remembered.update(found, observation, moved))
        return self._detected[1]

    def _decode(
        self, context: Context, objects: PerceivedObjects, prompt: Sequence[str], walk: Walk
    ) -> Completion:
        observations: dict[str, Any] = {"state": context.observation.robot, "obj": objects}
        if self._instruction_encoder is not None:
            observations[READ] = self._encode(self._instruction_encoder, context.instruction)
        try:
            sentence = Sentence(prompt_text(prompt), observations, context.instruction)
        except BadSentence as error:  # the instruction has an invalid placeholder
            raise NoMotion(str(error)) from error
        self.last_sentence = sentence
        inputs = self.processor(sentence, begin=True)
        with torch.inference_mode():
            x = self.model.embed(
                inputs["input_ids"],
                inputs["observations"],
                inputs.get("instruction_ids"),
                inputs.get("instruction_mask"),
            )
        return decode_one(self.model, x, walk)

    def _encode(self, encoder: InstructionEncoder, instruction: str) -> np.ndarray:
        if self._encoded is None or self._encoded[0] != instruction:
            self._encoded = (instruction, encoder.read([instruction])[0])
        return self._encoded[1]

    def _refusal(self, words: Sequence[str]) -> str:
        if "nowhere" in words:
            missing = words[list(words).index("nowhere") - 1].replace("_", " ")
            return f"I do not see the {missing} on the table."
        return _REFUSAL


def _check_parts(
    model: EmbodiedLM, processor: EmbodiedProcessor, encoder: InstructionEncoder | None, folder: Path
) -> None:
    """Raises BadWeights where tokenizer or text encoder are those of another model."""
    with told(f"{folder / 'tokenizer_config.json'}: describes no tokenizer of a planner", TOKENIZER):
        model.config.check_words(Vocabulary(processor.tokenizer), folder)
    if encoder is not None:
        dim = model.senses[READ].encoder.dim
        if encoder.dim != dim:
            raise BadWeights(
                f"{folder / FOLDER}: this text encoder gives vectors of {encoder.dim} numbers, the model "
                f"needs {dim}; train both with `palme train reader` and `palme train planner`"
            )


def _named(step: Step, objects: PerceivedObjects) -> Step:
    """`step` with names for obj_k, and where that object is if another one is called the same."""
    names = [objects.name(k) for k in range(len(objects))]

    def place(part: str) -> Location | None:
        row = int(part.removeprefix("obj_")) - 1 if part.startswith("obj_") else -1
        if row < 0 or names.count(names[row]) == 1:
            return None
        x, y, z = (float(v) for v in objects.xyz[row])
        return (x, y, z)

    found = step.resolve(names)
    return replace(found, what_at=place(step.what), target_at=place(step.target))


def _word(name: str) -> str:
    return TABLE if name == TABLE else name.replace(" ", "_")
