"""Whatever the model prefers, a reading is a whole program, with the probability of its words."""

import math

import pytest

from palme.language.programs.parser import parse
from palme.language.programs.prompt import SentenceTooLong, program_ids, prompt_ids
from palme.language.vocabulary import Vocabulary
from palme.models.pretrained.load import pretrained
from palme.planners.program.reader import NotRead, ProgramReader, TorchRuntime
from tests.palme.tiny_lm import tiny_lm


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, object]:
    return pretrained(tiny_lm(tmp_path_factory.mktemp("tiny")))


class Wanting:
    """A runtime that prefers the tokens of one program."""

    def __init__(self, tokenizer: object, text: str) -> None:
        self.ids = program_ids(Vocabulary(tokenizer), parse(text))
        self.prompt: list[int] = []
        self.passes = 0

    def begin(self) -> list[int]:
        return []

    def feed(self, context: list[int], ids: list[int], wanted: list[int]) -> list[float]:
        self.passes += 1
        self.prompt = self.prompt or ids
        context += ids
        written = len(context) - len(self.prompt)
        return [2.0 if token == self.ids[written] else 0.0 for token in wanted]


@pytest.mark.parametrize(
    "text",
    ["put(red block, in blue bowl)", "refuse(unsafe)", "count(all block) > 3",
     "if exists(thing [in blue bowl]): empty(blue bowl) else: put(red block, in blue bowl) & nothing()"],
)  # fmt: skip
def test_the_program_that_the_model_prefers_is_read(tiny: tuple[object, object], text: str) -> None:
    _, tokenizer = tiny
    runtime = Wanting(tokenizer, text)
    reading = ProgramReader(runtime, tokenizer).read("put the cube there")
    assert reading.program == parse(text)
    assert 0 < reading.probability < reading.weakest[0] < 1
    assert runtime.passes < len(runtime.ids)  # tokens without a choice take no pass of their own


def test_an_untrained_model_writes_a_program_or_says_that_it_does_not_understand(
    tiny: tuple[object, object],
) -> None:
    model, tokenizer = tiny
    reader = ProgramReader(TorchRuntime(model), tokenizer)
    for sentence in ("", "put the red block in the blue bowl", "äöü 盘子 ???", "count", "how many"):
        try:
            reading = reader.read(sentence)
        except NotRead as refused:
            assert "do not understand" in str(refused)
        else:
            assert parse(reading.program.text) == reading.program
            assert 0 < reading.probability <= 1 and math.isfinite(reading.seconds)


def test_tokens_fed_together_or_one_by_one_give_the_same_scores(tiny: tuple[object, object]) -> None:
    model, tokenizer = tiny
    runtime = TorchRuntime(model)
    ids = prompt_ids(tokenizer, "put the red block in the blue bowl")
    whole, parts = runtime.begin(), runtime.begin()
    wanted = [5, 9, 40]
    together = runtime.feed(whole, ids, wanted)
    for token in ids:
        one_by_one = runtime.feed(parts, [token], wanted)
    assert one_by_one == pytest.approx(together, abs=0.05)


def test_a_sentence_that_is_too_long_is_refused(tiny: tuple[object, object]) -> None:
    model, tokenizer = tiny
    with pytest.raises(SentenceTooLong):
        ProgramReader(TorchRuntime(model), tokenizer).read("put " * 300)
