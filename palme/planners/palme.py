"""The PaLM-E planner: detected objects stand in the language model's sentence; it continues with a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from palme.errors import NoMotion
from palme.language.constrained_decoding import AnswerGrammar, Evidence, Walk
from palme.language.explain import explain
from palme.language.instruction_encoder import FOLDER, InstructionEncoder
from palme.language.prompts import prompt_text, prompt_words, success_question
from palme.language.sentence import BadSentence, Sentence
from palme.language.vocabulary import Vocabulary
from palme.models.decoding import Completion, decode_one
from palme.models.embodied_lm import EmbodiedLM
from palme.models.processor import EmbodiedProcessor
from palme.perception.objects import PerceivedObjects
from palme.planners.base import Context, PlannedStep, Verdict
from robots.skills import TABLE, Step
from robots.types import Observation

READ = "read"  # the placeholder of the instruction as a text encoder reads it
WEIGHTS = Path(__file__).parent.parent / "weights" / "planner"
_REFUSAL = (
    "I cannot do that. I can put a block or cylinder into a bowl, stack blocks in an order, "
    "and sort blocks into the bowls of their colours."
)


class PalmePlanner:
    """Decodes inside the skill grammar; the words before the step are its reason.

    Args:
        model, processor: as saved beside each other.
        detector: observation -> `PerceivedObjects`; looked through once for each observation.
        reader: reads each instruction once, where the model was trained with one.

    `last_sentence` and `last_objects` are what the last answer was made from.
    """

    def __init__(
        self,
        model: EmbodiedLM,
        processor: EmbodiedProcessor,
        detector: Callable[[Observation], PerceivedObjects],
        reader: InstructionEncoder | None = None,
    ) -> None:
        reads = READ in model.senses
        if reads != (reader is not None):
            raise ValueError(
                f"the model has {'a' if reads else 'no'} modality <{READ}> and is given "
                f"{'no reader' if reader is None else 'a reader'}; load both from one folder"
            )
        self.model = model.eval()
        self.processor = processor
        self.last_sentence: Sentence | None = None
        self.last_objects: PerceivedObjects | None = None
        self._detector = detector
        self._reader = reader
        self._read: tuple[str, np.ndarray] | None = None  # the last instruction and what was made of it
        self._vocabulary = Vocabulary(processor.tokenizer)
        self._seen: tuple[Observation, PerceivedObjects] | None = None

    @classmethod
    def load(
        cls, detector: Callable[[Observation], PerceivedObjects], folder: str | Path = WEIGHTS
    ) -> PalmePlanner:
        """With trained weights. Raises FileNotFoundError with the remedy."""
        if not (Path(folder) / "config.json").exists():
            raise FileNotFoundError(
                f"{folder}: no planner weights there; train them with `palme train planner`"
            )
        model = EmbodiedLM.from_pretrained(folder, dtype=torch.float32)
        reader = InstructionEncoder.load(Path(folder) / FOLDER) if READ in model.senses else None
        return cls(model, EmbodiedProcessor.from_pretrained(folder), detector, reader)

    def next_step(self, context: Context) -> PlannedStep:
        """The next step. Raises NoMotion for a sentence outside the skills, or about what is not there."""
        # Where several steps are right, the first thing listed decides. Another start at every step keeps a
        # block that fell onto another one from being lifted off and put back for ever.
        objects = self.last_objects = self._look(context.observation).turned(len(context.history))
        if not len(objects):
            raise NoMotion("I see nothing on the table.")
        history = [(step.text, success) for step, success in context.history]
        prompt = prompt_words(context.instruction, len(objects), history, read=self._reader is not None)
        seen = Evidence.of(objects.class_probs)
        said = self._say(context, objects, prompt, AnswerGrammar(self._vocabulary, seen).walk())
        words = said.words
        start = len(words) - words[::-1].index(";") if ";" in words else 0
        step_words = [w.replace("_", " ") for w in words[start:] if w != "."]
        if "unknown" in step_words or not step_words:
            raise NoMotion(self._refusal(words))
        step = Step.parse(" ".join(step_words))
        return PlannedStep(step, explain(words[:start]), said.probability(start), self.last_sentence, objects)

    def was_successful(self, context: Context, step: Step) -> Verdict:
        """Asks the model where the thing is now. "done" is judged by asking for the next step again."""
        objects = self._look(context.observation)
        if step.is_done:
            again = self.next_step(context)
            probability = 1.0 if again.probability is None else again.probability
            done = again.step.is_done
            return Verdict(done, probability if done else 1 - probability)
        step = step.resolve([objects.name(i) for i in range(len(objects))])
        start = [_word(step.target), _word(step.what)]
        question = success_question(step.text)
        prompt = [*prompt_words(question, len(objects), ask="answer"), *start]

        said = self._say(context, objects, prompt, AnswerGrammar(self._vocabulary).check_walk(*start))
        words = said.words
        verdict = next((k for k, w in enumerate(words) if w in ("yes", "no")), None)
        if verdict is None:
            return Verdict(False, 0.5, "no answer")
        success = words[verdict] == "yes"
        p = said.probability(0, verdict + 1)
        return Verdict(success, p if success else 1 - p, explain([*start, *words[: verdict + 1], ";"]))

    def _look(self, observation: Observation) -> PerceivedObjects:
        if self._seen is None or self._seen[0] is not observation:
            self._seen = (observation, self._detector(observation))
        self.last_objects = self._seen[1]
        return self._seen[1]

    def _say(
        self, context: Context, objects: PerceivedObjects, prompt: Sequence[str], walk: Walk
    ) -> Completion:
        observations: dict[str, Any] = {"state": context.observation.robot, "obj": objects}
        if self._reader is not None:
            observations[READ] = self._reading(context.instruction)
        try:
            sentence = Sentence(prompt_text(prompt), observations, context.instruction)
        except BadSentence as error:  # what a person typed looks like a placeholder and is none
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

    def _reading(self, instruction: str) -> np.ndarray:
        assert self._reader is not None
        if self._read is None or self._read[0] != instruction:
            self._read = (instruction, self._reader.read([instruction])[0])
        return self._read[1]

    def _refusal(self, words: Sequence[str]) -> str:
        if "nowhere" in words:
            missing = words[list(words).index("nowhere") - 1].replace("_", " ")
            return f"I do not see the {missing} on the table."
        return _REFUSAL


def _word(name: str) -> str:
    return TABLE if name == TABLE else name.replace(" ", "_")
