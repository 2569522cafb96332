"""Examples stand before the sentence, and are computed once."""

from pathlib import Path

import pytest

from palme.language.programs.prompt import prompt_ids
from palme.model_folders import load_tokenizer
from palme.models.pretrained.load_decoder import decoder
from palme.models.pretrained.token_tree import chain
from palme.planners.program.in_context import context_of, examples, examples_ids, kept_context
from palme.planners.program.local_reader import local_reader
from palme.planners.program.reader import NotRead
from palme.planners.program.runtime import DecoderRuntime
from tests.palme.tiny_lm import tiny_lm


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PALME_CACHE", str(tmp_path / "cache"))
    return tiny_lm(tmp_path / "tiny")


def test_the_examples_are_programs_of_every_kind() -> None:
    texts = [one.program.text for one in examples()]
    assert len({one.say for one in examples()}) == len(texts) >= 30
    calls = "put move stack row swap empty out keep count exists colour if".split()
    for call in (*calls, *(f"refuse ( {why} )" for why in ("absent", "beyond", "unsafe", "unclear"))):
        assert any(text.startswith(call) for text in texts), call


def test_what_stood_before_changes_what_comes_next(folder: Path) -> None:
    tokenizer = load_tokenizer(folder, "")
    runtime = DecoderRuntime(decoder(folder, precision="fp32"))
    before, said = examples_ids(tokenizer), prompt_ids(tokenizer, "put the red block there")
    wanted = list(range(50))
    context = context_of(runtime, before)
    n = len(before)
    assert len(context) == n
    found = runtime.feed(context, said, chain(n - 1, n, len(said)), {len(said) - 1: wanted})[len(said) - 1]
    whole = runtime.feed(
        runtime.begin(), before + said, chain(-1, 0, n + len(said)), {n + len(said) - 1: wanted}
    )
    alone = runtime.feed(runtime.begin(), said, chain(-1, 0, len(said)), {len(said) - 1: wanted})
    assert found == pytest.approx(whole[n + len(said) - 1], abs=1e-3)
    assert found != pytest.approx(alone[len(said) - 1], abs=1e-3)


def test_the_examples_are_computed_once_for_a_model(folder: Path, tmp_path: Path) -> None:
    fast = decoder(folder, precision="fp32")
    ids = examples_ids(load_tokenizer(folder, ""))

    class Counting(DecoderRuntime):
        passes = 0

        def feed(self, *arguments):  # type: ignore[no-untyped-def]
            Counting.passes += 1
            return super().feed(*arguments)

    runtime = Counting(fast)
    first = kept_context(runtime, fast, folder, ids)
    n = Counting.passes
    again = kept_context(runtime, fast, folder, ids)
    assert n > 0 and Counting.passes == n
    said = [5, 6, 7]
    scores = [runtime.feed(c, said, chain(len(ids) - 1, len(ids), 3), {2: [8, 9]}) for c in (first, again)]
    assert scores[0][2] == pytest.approx(scores[1][2], abs=1e-5)

    [file] = (tmp_path / "cache" / "contexts").iterdir()
    file.write_bytes(b"damaged")
    n = Counting.passes
    assert len(kept_context(runtime, fast, folder, ids)) == len(ids) and Counting.passes > n
    n = Counting.passes
    kept_context(runtime, fast, folder, ids[:-1])
    assert Counting.passes > n  # other examples are not taken for these


def test_each_sentence_is_read_behind_the_examples_alone(folder: Path) -> None:
    reader = local_reader(folder, precision="fp32", in_context=True)

    def read(sentence: str) -> str:
        try:
            return f"{reader.read(sentence).program.text} {reader.read(sentence).probability:.4g}"
        except NotRead as refused:
            return str(refused)

    first = read("put the red block there")
    read("how many")
    assert read("put the red block there") == first
