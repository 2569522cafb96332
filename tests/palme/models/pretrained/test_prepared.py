"""Prepared weights: read back as they were made, made anew for other files, and never left unfinished."""

import os
import time
from pathlib import Path

import pytest
import torch

from palme.models.pretrained import prepared as module
from palme.models.pretrained.prepared import KEPT, prepared


class Maker:
    """Counts how often it is asked."""

    def __init__(self, value: float) -> None:
        self.value, self.times = value, 0

    def __call__(self) -> dict[str, torch.Tensor]:
        self.times += 1
        return {"a": torch.full((2, 3), self.value), "b": torch.ones(4, dtype=torch.int8)}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PALME_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "LEAST", 0)
    (tmp_path / "model.safetensors").write_bytes(b"12345")
    return tmp_path / "model.safetensors"


def kept(source: Path) -> list[Path]:
    return sorted((source.parent / "cache" / "prepared").iterdir())


def test_they_are_made_once(source: Path) -> None:
    make = Maker(0.5)
    first, again = (prepared([source], "fp32", make) for _ in range(2))
    assert make.times == 1 and len(kept(source)) == 1
    assert all(torch.equal(first[key], again[key]) and first[key].dtype == again[key].dtype for key in first)


def test_from_a_cache_that_can_be_read_alone_they_are_read(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Maker(0.5)
    prepared([source], "fp32", make)

    def refuse(*_: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "utime", refuse)
    assert float(prepared([source], "fp32", make)["a"][0, 0]) == 0.5
    assert make.times == 1


@pytest.mark.parametrize("change", ["content", "precision", "another file"])
def test_of_other_files_others_are_made(source: Path, change: str) -> None:
    prepared([source], "fp32", Maker(0.5))
    other = [source]
    if change == "content":
        source.write_bytes(b"123456")
    elif change == "another file":
        other.append(source.with_name("adapter.safetensors"))
        other[1].write_bytes(b"1")
    found = prepared(other, "int8" if change == "precision" else "fp32", Maker(0.25))
    assert float(found["a"][0, 0]) == 0.25


@pytest.mark.parametrize("damage", [b"", b"no safetensors", b"cut"])
def test_a_damaged_file_is_made_anew(source: Path, damage: bytes) -> None:
    prepared([source], "fp32", Maker(0.5))
    (file,) = kept(source)
    file.write_bytes(file.read_bytes()[:-3] if damage == b"cut" else damage)
    make = Maker(0.5)
    for _ in range(2):
        assert float(prepared([source], "fp32", make)["a"][0, 0]) == 0.5
    assert make.times == 1


def test_few_are_kept_and_nothing_unfinished(source: Path) -> None:
    folder = source.parent / "cache" / "prepared"
    folder.mkdir(parents=True)
    hours_ago = time.time() - 2 * module.ABANDONED_S
    left = [folder / name for name in (".12-0.tmp.safetensors", "0123abcd.12")]  # killed
    for file in left:
        file.write_bytes(b"half")
        os.utime(file, (hours_ago, hours_ago))
    others = folder / ".13-0.tmp.safetensors"  # which another process is writing
    others.write_bytes(b"half")
    for k in range(KEPT + 2):
        source.write_bytes(b"1" * (k + 1))
        prepared([source], "fp32", Maker(k))
    finished = [file for file in kept(source) if file != others]
    assert others.exists() and not any(file.exists() for file in left)
    assert len(finished) == KEPT and all(file.suffix == ".safetensors" for file in finished)
    make = Maker(-1)
    assert float(prepared([source], "fp32", make)["a"][0, 0]) == KEPT + 1 and make.times == 0  # the last one


def test_without_a_cache_they_are_made_every_time(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source.parent / "file").write_text("a file where the cache should be")
    monkeypatch.setenv("PALME_CACHE", str(source.parent / "file"))
    make = Maker(0.5)
    for _ in range(2):
        assert float(prepared([source], "fp32", make)["a"][0, 0]) == 0.5
    assert make.times == 2


def test_small_ones_are_not_kept(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST", 100)
    prepared([source], "fp32", Maker(0.5))
    assert not (source.parent / "cache").exists()


def test_what_cannot_be_made_is_said_and_nothing_is_kept(source: Path) -> None:
    def make() -> dict[str, torch.Tensor]:
        raise FileNotFoundError(source)

    for _ in range(2):  # with the source, and without
        with pytest.raises(FileNotFoundError):
            prepared([source], "fp32", make)
        assert not list((source.parent / "cache").rglob("*.safetensors*"))
        source.unlink(missing_ok=True)


def test_what_cannot_be_written_is_given_and_nothing_is_kept(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(_: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", half)
    assert float(prepared([source], "fp32", Maker(0.5))["a"][0, 0]) == 0.5
    assert not kept(source)
