"""A model is in the cache whole or not at all, in a form that `transformers` loads."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from palme.cli.main import main
from palme.models.pretrained import cache, convert


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALME_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A Qwen2 of 2 layers as `save_pretrained` leaves it."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1,
    )  # fmt: skip
    words = Tokenizer(
        models.WordLevel({w: k for k, w in enumerate(["<unk>", "<end>", "put", "red"])}, "<unk>")
    )
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    Qwen2ForCausalLM(config).save_pretrained(tmp_path / "tiny")
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token="<end>").save_pretrained(
        tmp_path / "tiny"
    )
    return tmp_path / "tiny"


def test_a_folder_becomes_a_model_in_the_cache_and_a_second_call_does_nothing(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["setup", "language", "origin=folder", f"folder={tiny}"]
    assert main(arguments) == 0
    folder = cache.require("qwen2.5-coder-0.5b")
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert "Apache-2.0" in capsys.readouterr().out
    model = AutoModelForCausalLM.from_pretrained(folder)
    original = AutoModelForCausalLM.from_pretrained(tiny)
    for name, value in original.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name].float(), value.float(), atol=0.01, rtol=0.01)
    assert (
        AutoTokenizer.from_pretrained(folder).get_vocab() == AutoTokenizer.from_pretrained(tiny).get_vocab()
    )


def test_a_model_that_is_not_there_says_how_it_comes() -> None:
    with pytest.raises(cache.NotSetUp, match="palme setup language"):
        cache.require("tiny")


@pytest.mark.parametrize("k", range(4))
def test_whatever_fails_while_filling_leaves_nothing_behind(k: int, tmp_path: Path) -> None:
    errors = [KeyboardInterrupt(), OSError(28, "No space left on device"), ValueError("x"), MemoryError()]
    with pytest.raises(type(errors[k])), cache.filling("tiny", {}) as made:
        (made / "model.safetensors").write_bytes(b"half")
        raise errors[k]
    assert not cache.is_ready("tiny")
    assert not list((tmp_path / "cache" / "models").iterdir())


QWEN = '{"model_type": "qwen2"}'


@pytest.mark.parametrize(
    "content",
    [{}, {"config.json": "{"}, {"config.json": QWEN}, {"pytorch_model.bin": "x", "config.json": QWEN}],
)
def test_a_folder_without_a_model_is_refused(tmp_path: Path, content: dict[str, str]) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for name, text in content.items():
        (folder / name).write_text(text, encoding="utf-8")
    assert main(["setup", "language", "origin=folder", f"folder={folder}"]) == 1
    assert not cache.is_ready("qwen2.5-coder-0.5b")


@pytest.mark.parametrize(
    "content", [b"", b"GGUF", b"version https://git-lfs.github.com/spec/v1\n", b"GGUF" + b"\0" * 64]
)
def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(convert.NotConvertible, match=r"x\.gguf"):
        convert.from_gguf(tmp_path / "x.gguf", tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "said"),
    [([], "language"), (["speech"], "language"), (["language", "origin=folder"], "folder=PATH"),
     (["language", "model=nope"], "nope"), (["language", "folder=/no/such/place"], "no such folder"),
     (["language", "origin=mail"], "mail")],
)  # fmt: skip
def test_what_cannot_be_meant_is_a_usage_error(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["setup", *words]) == 2
    assert said in capsys.readouterr().err
