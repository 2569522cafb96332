"""A light tokenizer gives what that of `transformers` gives, the first time and from the cache."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from palme.language.programs.parser import ALL_WORDS
from palme.language.programs.prompt import prompt_ids
from palme.language.vocabulary import Vocabulary
from palme.model_folders import VOCABULARIES, load_tokenizer
from palme.models.pretrained import light_tokenizer as module
from palme.models.pretrained.light_tokenizer import SPECIAL, LightTokenizer, light_tokenizer
from palme.weight_files import BadWeights, WeightsMissing
from tests.palme.tiny_lm import tiny_lm

SENTENCES = [
    "put the red block in the blue bowl",
    "  two  spaces,  and a tab\t",
    "Lege den grünen Würfel auf den Tisch!",
    "把红色的方块放进蓝色的碗里",
    "빨간 블록",
    "put 3 cm/10 %: a; b [c] (d) <e>",
    "<|im_start|>",
    "é e\u0301 😀",
    "",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PALME_CACHE", str(tmp_path / "cache"))
    return tiny_lm(tmp_path / "model")


def kept(folder: Path) -> list[Path]:
    return list((folder.parent / "cache" / "tokenizers").iterdir())


def test_it_gives_the_same(folder: Path) -> None:
    slow = load_tokenizer(folder, "")
    for _ in range(2):
        quick = light_tokenizer(folder, "")
        assert isinstance(quick, LightTokenizer)
        for text in (*SENTENCES, *ALL_WORDS, *(f" {word}" for word in ALL_WORDS)):
            for special in (True, False):
                ids = quick(text, add_special_tokens=special)["input_ids"]
                assert ids == list(slow(text, add_special_tokens=special)["input_ids"]), text
                assert quick.decode(ids, special) == slow.decode(ids, skip_special_tokens=special), text
            assert prompt_ids(quick, text) == prompt_ids(slow, text)
        assert all(getattr(quick, name) == getattr(slow, name) for name in SPECIAL)
        assert Vocabulary(quick).eos == Vocabulary(slow).eos
    assert len(kept(folder)) == 1


def test_from_the_cache_it_imports_no_transformers(folder: Path) -> None:
    light_tokenizer(folder, "")
    code = (
        "import sys; from pathlib import Path; "
        "from palme.models.pretrained.light_tokenizer import light_tokenizer; "
        f"light_tokenizer(Path({str(folder)!r}), ''); assert 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]", '{"tokenizer": "{}", "special": {}}'])
def test_what_is_damaged_in_the_cache_is_made_anew(folder: Path, text: str) -> None:
    light_tokenizer(folder, "")
    (file,) = kept(folder)
    file.write_text(text)
    assert light_tokenizer(folder, "")("red")["input_ids"]
    assert json.loads(file.read_text())["tokenizer"]


@pytest.mark.parametrize("name", [*VOCABULARIES, "tokenizer_config.json", "merges.txt", "config.json"])
def test_a_changed_file_is_another_tokenizer(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = load_tokenizer(folder, "")
    monkeypatch.setattr(module, "load_tokenizer", lambda *_: slow)  # whatever an added file says
    light_tokenizer(folder, "")
    with (folder / name).open("a") as file:
        file.write("\n")
    light_tokenizer(folder, "")
    assert len(kept(folder)) == 2


def test_a_missing_and_a_damaged_file_are_said(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(BadWeights, match="mend it"):
        light_tokenizer(folder, "mend it")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(WeightsMissing, match="mend it"):
        light_tokenizer(folder, "mend it")
