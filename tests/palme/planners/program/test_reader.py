"""Whatever the model prefers, a reading is a whole program, with the probability of its words."""

import math
from pathlib import Path

import pytest

from palme.language.programs.parser import parse
from palme.language.programs.prompt import SentenceTooLong, program_ids, prompt_ids
from palme.language.vocabulary import Vocabulary
from palme.models.pretrained.load import pretrained
from palme.models.pretrained.load_decoder import decoder
from palme.models.pretrained.token_tree import TokenTree, chain
from palme.planners.program.reader import NotRead, ProgramReader
from palme.planners.program.runtime import DecoderRuntime, Runtime, TorchRuntime
from tests.palme.tiny_lm import tiny_lm


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_lm(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tiny(folder: Path) -> tuple[object, object]:
    return pretrained(folder)


@pytest.fixture(scope="module", params=["transformers", "fp32", "bf16", "int8"])
def runtime(request: pytest.FixtureRequest, folder: Path, tiny: tuple[object, object]) -> Runtime:
    if request.param == "transformers":
        return TorchRuntime(tiny[0])
    return DecoderRuntime(decoder(folder, precision=request.param))


class Wanting:
    """A runtime that prefers the tokens of some programs, the first most."""

    def __init__(self, tokenizer: object, *texts: str) -> None:
        vocabulary = Vocabulary(tokenizer)
        self.programs = [program_ids(vocabulary, parse(text)) for text in texts]
        self.prompt = 0
        self.passes = 0

    def begin(self) -> TokenTree:
        self.ids: list[int] = []
        return TokenTree()

    def feed(self, context, ids, parents, wanted):  # type: ignore[no-untyped-def]
        self.passes += 1
        self.prompt = self.prompt or len(ids)
        begun = len(context)
        context.add(parents)
        self.ids += ids
        return {place: self._scores(context, begun + place, may) for place, may in wanted.items()}

    def _scores(self, context: TokenTree, last: int, may: list[int]) -> list[float]:
        line = [self.ids[k] for k in context.sees[last].nonzero().flatten().tolist()]
        written = line[self.prompt :]
        liked = {ids[len(written)]: 8.0 - 4.0 * k for k, ids in reversed(list(enumerate(self.programs)))
                 if ids[: len(written)] == written}  # fmt: skip
        return [liked.get(token, 0.0) for token in may]


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
    assert runtime.passes < len(runtime.programs[0])  # tokens without a choice take no pass of their own


def test_alternatives_are_the_programs_that_the_model_likes_next_best(tiny: tuple[object, object]) -> None:
    _, tokenizer = tiny
    texts = ("put(red block, in blue bowl)", "put(red block, on table)", "refuse(unclear)")
    runtime = Wanting(tokenizer, *texts)
    reader = ProgramReader(runtime, tokenizer)
    alone = reader.read("put the cube there")
    passes = runtime.passes
    found = reader.alternatives("put the cube there", 3)
    assert found[0].program == alone.program == parse(texts[0])
    assert found[0].probability == pytest.approx(alone.probability)
    assert found[1].program == parse(texts[1])
    assert [r.probability for r in found] == sorted((r.probability for r in found), reverse=True)
    assert len({r.program for r in found}) == len(found)
    assert runtime.passes - passes <= 1.5 * passes


def test_an_untrained_model_writes_a_program_or_says_that_it_does_not_understand(
    runtime: Runtime, tiny: tuple[object, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("palme.planners.program.reader.MAX_TOKENS", 40)  # most never come to an end
    reader = ProgramReader(runtime, tiny[1])
    for sentence in ("", "äöü 盘子 put the red block ???"):
        try:
            readings = [reader.read(sentence), *reader.alternatives(sentence)]
        except NotRead as refused:
            assert "do not understand" in str(refused)
        else:
            for reading in readings:
                assert parse(reading.program.text) == reading.program
                assert 0 < reading.probability <= 1 and math.isfinite(reading.seconds)


def test_tokens_fed_together_or_one_by_one_give_the_same_scores(
    runtime: Runtime, tiny: tuple[object, object]
) -> None:
    ids = prompt_ids(tiny[1], "put the red block in the blue bowl")
    whole, parts = runtime.begin(), runtime.begin()
    wanted = [5, 9, 40]
    together = runtime.feed(whole, ids, chain(-1, 0, len(ids)), {len(ids) - 1: wanted})[len(ids) - 1]
    for k, token in enumerate(ids):
        one_by_one = runtime.feed(parts, [token], [k - 1], {0: wanted})[0]
    assert one_by_one == pytest.approx(together, abs=0.05)


def test_branches_do_not_see_each_other(runtime: Runtime, tiny: tuple[object, object]) -> None:
    ids = prompt_ids(tiny[1], "put the red block in the blue bowl")
    wanted = list(range(40))
    n = len(ids)
    both, alone = runtime.begin(), runtime.begin()
    runtime.feed(both, ids, chain(-1, 0, n), {})
    copied = both.copy()
    found = runtime.feed(both, [20, 21, 22, 23], [n - 1, n, n - 1, n + 2], {1: wanted, 3: wanted})
    expected = runtime.feed(alone, [*ids, 22, 23], chain(-1, 0, n + 2), {n + 1: wanted})[n + 1]
    assert found[3] == pytest.approx(expected, abs=0.05)
    assert found[1] != pytest.approx(expected, abs=0.05)
    assert runtime.feed(copied, [22, 23], chain(n - 1, n, 2), {1: wanted})[1] == pytest.approx(
        expected, abs=0.05
    )


def test_a_sentence_that_is_too_long_is_refused(tiny: tuple[object, object]) -> None:
    model, tokenizer = tiny
    with pytest.raises(SentenceTooLong):
        ProgramReader(TorchRuntime(model), tokenizer).read("put " * 300)
