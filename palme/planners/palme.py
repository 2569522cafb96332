"""The PaLM-E planner: detected objects stand in the language model's sentence; it continues with a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from palme.errors import NoMotion
from palme.language.constrained_decoding import AnswerGrammar, Evidence
from palme.language.explain import explain
from palme.language.instruction_encoder import FOLDER, InstructionEncoder
from palme.language.prompts import prompt_words, success_question
from palme.language.sentence import Sentence
from palme.language.vocabulary import EOS, READING_TOKEN
from palme.models.decoding import Follow, Said, say_one
from palme.models.embodied_lm import EmbodiedLM
from palme.models.processor import EmbodiedProcessor
from palme.perception.objects import PerceivedObjects
from palme.planners.base import Context, PlannedStep, Verdict
from robots.skills import TABLE, Step
from robots.types import Observation

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
        if bool(model.config.reading_dim) != (reader is not None):
            raise ValueError(
                f"the model has reading_dim {model.config.reading_dim} and is given "
                f"{'no reader' if reader is None else 'a reader'}; load both from one folder"
            )
        self.model = model.eval()
        self.processor = processor
        self.last_sentence: Sentence | None = None
        self.last_objects: PerceivedObjects | None = None
        self._detector = detector
        self._reader = reader
        self._read: tuple[str, np.ndarray] | None = None  # the last instruction and what was made of it
        self._words: list[str] = processor.tokenizer.convert_ids_to_tokens(range(len(processor.tokenizer)))
        self._ids = {w: i for i, w in enumerate(self._words)}
        self._grammar = AnswerGrammar(self._words)
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
        reader = InstructionEncoder.load(Path(folder) / FOLDER) if model.config.reading_dim else None
        return cls(model, EmbodiedProcessor.from_pretrained(folder), detector, reader)

    def next_step(self, context: Context) -> PlannedStep:
        """The next step. Raises NoMotion for a sentence outside the skills, or about what is not there."""
        # Where several steps are right, the first thing listed decides. Another start at every step keeps a
        # block that fell onto another one from being lifted off and put back for ever.
        objects = self.last_objects = self._look(context.observation).turned(len(context.history))
        history = [(step.text, success) for step, success in context.history]
        prompt = prompt_words(context.instruction, len(objects), history, read=self._reader is not None)
        seen = Evidence.of(objects.class_probs)
        said = self._say(context, objects, prompt, lambda so_far: self._grammar.follow(so_far, seen))
        words = [self._words[i] for i in said.ids]
        start = len(words) - words[::-1].index(";") if ";" in words else 0
        step_words = [w.replace("_", " ") for w in words[start:] if w != "."]
        if "unknown" in step_words or not step_words:
            raise NoMotion(self._refusal(words))
        step = Step.parse(" ".join(step_words))
        return PlannedStep(
            step, explain(words[:start]), math.prod(said.probabilities[start:]), self.last_sentence, objects
        )

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

        asked = [self._ids[w] for w in start]

        def follow(said: Sequence[int]) -> Sequence[int]:
            return self._grammar.follow_check([*asked, *said])

        said = self._say(context, objects, prompt, follow)
        words = [self._words[i] for i in said.ids]
        verdict = next((k for k, w in enumerate(words) if w in ("yes", "no")), None)
        if verdict is None:
            return Verdict(False, 0.5, "no answer")
        success = words[verdict] == "yes"
        p = math.prod(said.probabilities[: verdict + 1])
        return Verdict(success, p if success else 1 - p, explain([*start, *words[: verdict + 1], ";"]))

    def _look(self, observation: Observation) -> PerceivedObjects:
        if self._seen is None or self._seen[0] is not observation:
            self._seen = (observation, self._detector(observation))
        self.last_objects = self._seen[1]
        return self._seen[1]

    def _say(
        self, context: Context, objects: PerceivedObjects, prompt: Sequence[str], follow: Follow
    ) -> Said:
        reading = self._reading(context.instruction) if READING_TOKEN in prompt else None
        sentence = Sentence(
            " ".join(prompt), state=context.observation.robot, objects=objects, reading=reading
        )
        self.last_sentence = sentence
        inputs = self.processor(sentence, feature_dim=self.model.config.feature_dim)
        with torch.inference_mode():
            x = self.model.embed(
                inputs["input_ids"], inputs["objects"], inputs["state"], reading=inputs.get("reading")
            )
        return say_one(self.model, x, follow, self._ids[EOS])

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
