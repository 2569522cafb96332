"""Ways in which a file of weights, or a JSON file beside it, is damaged or is something else."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

Damage = Callable[[Path], None]

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 4313178\n"
HTML = b"\n<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Not Found</body></html>\n"


def _written(content: bytes) -> Damage:
    def damage(path: Path) -> None:
        path.unlink()
        path.write_bytes(content)

    return damage


def _cut(where: Callable[[int, int], int]) -> Damage:
    """Cut at `where(size, end of the header)`."""

    def damage(path: Path) -> None:
        whole = path.read_bytes()
        end = (
            8 + struct.unpack("<Q", whole[:8])[0]
            if len(whole) > 8 and whole[8:9] == b"{"
            else len(whole) // 3
        )
        path.unlink()
        path.write_bytes(whole[: where(len(whole), end)])

    return damage


def _bytes(change: Callable[[bytes], bytes]) -> Damage:
    def damage(path: Path) -> None:
        whole = path.read_bytes()
        path.unlink()
        path.write_bytes(change(whole))

    return damage


def _tensors(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Damage:
    """A whole safetensors file, of other tensors."""

    def damage(path: Path) -> None:
        found = {name: value.clone() for name, value in load_file(path).items()}
        with open(path, "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        path.unlink()
        changed = {name: value.contiguous() for name, value in change(found).items()}
        save_file(changed, path, metadata=header.get("__metadata__"))

    return damage


def _one(change: Callable[[torch.Tensor], torch.Tensor], least: int = 0) -> Damage:
    """The largest tensor of real numbers changed."""

    def changed(found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        name = max((k for k, v in found.items() if v.is_floating_point()), key=lambda k: found[k].numel())
        return {**found, name: change(found[name])}

    return _tensors(changed)


def _put(value: float, at: int) -> Callable[[torch.Tensor], torch.Tensor]:
    def put(tensor: torch.Tensor) -> torch.Tensor:
        tensor.flatten()[at] = value
        return tensor

    return put


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "gone")


def _pickled(path: Path) -> None:
    tensors = {"a": torch.zeros(3)}
    path.unlink()
    torch.save(tensors, path)


def _zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("model", content)
    return out.getvalue()


def _without(k: int) -> Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
    def cut(found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        names = sorted(found)
        return {name: found[name] for name in names if name != names[k % len(names)]}

    return cut


ANY: dict[str, Damage] = {
    "missing": lambda path: path.unlink(), "a folder": _folder, "a dangling link": _nowhere,
    "empty": _written(b""),
    "Git LFS pointer": _written(LFS), "git-annex pointer": _written(b"/annex/objects/SHA256E-s1--2\n"),
    "web page": _written(HTML), "web page in capitals": _written(HTML.lstrip().upper()),
    "XML": _written(b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"),
    "text": _written(b"Access denied\n"), "zeros": _bytes(lambda b: bytes(len(b))),
    "gzip": _bytes(gzip.compress), "ZIP": _bytes(_zipped),
    "noise": _bytes(lambda b: bytes((i * 197 + 91) % 256 for i in range(4096))),
    "picture": _written(b"\x89PNG\r\n\x1a\n" + bytes(99)), "one byte": _cut(lambda size, end: 1),
    "cut in the middle": _cut(lambda size, end: size // 2),
}  # fmt: skip
"""Of any file."""

WEIGHTS: dict[str, Damage] = {
    **ANY,
    "an error in JSON": _written(b'{"error": "Repository not found"}'), "JSON alone": _written(b"{}"),
    "pickle": _pickled, "old pickle": _written(pickle.dumps({"a": [1.0]}, 2)),
    "pickle 4": _written(pickle.dumps({"a": 1}, 4)),
    "GGUF": _written(b"GGUF\x03" + bytes(99)), "HDF5": _written(b"\x89HDF\r\n\x1a\n" + bytes(99)),
    "NumPy": _written(b"\x93NUMPY\x01\x00" + bytes(99)), "cut at 7": _cut(lambda size, end: 7),
    "cut at 8": _cut(lambda size, end: 8), "cut in the header": _cut(lambda size, end: end // 2),
    "cut after the header": _cut(lambda size, end: end), "last byte lost": _cut(lambda size, end: size - 1),
    "bytes too many": _bytes(lambda b: b + b"\0"), "twice": _bytes(lambda b: b + b),
    "long header": _bytes(lambda b: struct.pack("<Q", 1 << 60) + b[8:]),
    "header longer by one": _bytes(lambda b: struct.pack("<Q", struct.unpack("<Q", b[:8])[0] + 1) + b[8:]),
    "first bytes lost": _bytes(lambda b: b[3:]), "quote lost": _bytes(lambda b: b[:9] + b" " + b[10:]),
    "type of a tensor": _bytes(lambda b: b.replace(b'"dtype":"', b'"dtype":"X', 1)),
    "offsets": _bytes(lambda b: b.replace(b'"data_offsets":[', b'"data_offsets":[9', 1)),
    "a list as header": _bytes(lambda b: struct.pack("<Q", 2) + b"[]"),
    "header {}": _bytes(lambda b: struct.pack("<Q", 2) + b"{}"),
    "no tensors": _tensors(lambda found: {}),
    "another network": _tensors(lambda found: {"weight": torch.zeros(3, 3)}),
    "a checkpoint": _tensors(lambda found: {f"net.net.{k}": v for k, v in found.items()}),
    "prefix": _tensors(lambda found: {f"module.{k}": v for k, v in found.items()}),
    "first tensor lost": _tensors(_without(0)), "last tensor lost": _tensors(_without(-1)),
    "a tensor lost": _tensors(_without(5)),
    "half lost": _tensors(lambda found: dict(sorted(found.items())[::2])),
    "one renamed": _tensors(lambda found: {(f"{k}_x" if i == 1 else k): v for i,
    (k, v) in enumerate(sorted(found.items()))}),
    "one too many": _tensors(lambda found: {**found, f"{sorted(found)[-1]}_2": torch.zeros(3)}),
    "NaN": _one(_put(float("nan"), 0)), "NaN at the end": _one(_put(float("nan"), -1)),
    "inf": _one(_put(float("inf"), 3)),
    "-inf": _one(_put(float("-inf"), 1)), "all NaN": _one(lambda v: torch.full_like(v, float("nan"))),
    "a row lost": _one(lambda v: v[1:]), "a row too many": _one(lambda v: torch.cat([v, v[:1]])),
    "flat": _one(lambda v: v.flatten()), "batched": _one(lambda v: v[None]),
    "transposed": _one(lambda v: torch.cat([v, v]).T),
    "int8": _one(lambda v: (v * 100).to(torch.int8)), "int64": _one(lambda v: v.long()),
    "uint8": _one(lambda v: v.to(torch.uint8)),
    "bool": _one(lambda v: v > 0), "float8": _one(lambda v: v.to(torch.float8_e4m3fn)),
    "a number": _one(lambda v: v.flatten()[0]),
}  # fmt: skip
"""Of a safetensors file."""

JSON: dict[str, Damage] = {
    **ANY,
    "null": _written(b"null"), "list": _written(b"[]"), "number": _written(b"3"),
    "string": _written(b'"model"'),
    "YAML": _written(b"model_type: llama\n"), "last brace lost": _bytes(lambda b: b.rstrip()[:-1]),
    "NUL inside": _bytes(lambda b: b[:9] + b"\0" + b[9:]),
    "Latin-1": _written('{"a": "\xe9"}'.encode("latin-1")),
    "a comma too many": _bytes(lambda b: b.rstrip()[:-1] + b",}"),
    "UTF-16": _bytes(lambda b: b.decode().encode("utf-16")),
    "open brackets": _written(b"[" * 100_000), "{}": _written(b"{}"), "another's": _written(b'{"foo": 1}'),
}  # fmt: skip
"""Of a JSON file."""
