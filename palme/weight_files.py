"""Files of weights: every loader reads them here, so that nothing damaged or foreign passes for a network.

A file is looked at before it is read: what it is in truth (a Git LFS pointer, a web page, a pickle), whether
it is whole, whether its numbers are finite, and whether its tensors are those of the network. A network is
filled completely or not at all.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

CONVERT = "convert it to safetensors (`safetensors.torch.save_file`) where you trust its source"
PICKLE = f"a PyTorch pickle, which can run code when it is read; {CONVERT}"
LFS = "a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"
WEB = "a web page, as a failed download leaves it; download it again"
KINDS = (
    (b"version https://git-lfs", LFS),
    (b"version https://hawser", LFS),
    (b"/annex/objects/", "a git-annex pointer, not the file itself; fetch it with `git annex get`"),
    (b"../.git/annex/", "a git-annex pointer, not the file itself; fetch it with `git annex get`"),
    (b"PK\x03\x04", f"a ZIP archive, as PyTorch pickles (.pt, .bin) are, which can run code; {CONVERT}"),
    (b"\x1f\x8b", "a gzip archive; unpack it"),
    (b"BZh", "a bzip2 archive; unpack it"),
    (b"\xfd7zXZ", "an xz archive; unpack it"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive; unpack it"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it"),
    (b"\x89HDF", "a Keras or HDF5 file; convert it to safetensors"),
    (b"GGUF", "a GGUF file; convert it to safetensors"),
    (b"\x93NUMPY", "a NumPy array; convert it to safetensors"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
)  # what begins a file -> what that file is, and the remedy
FLOATS = ("float64", "float32", "float16", "bfloat16")
HEADER_LIMIT = 100 << 20  # [bytes] of a safetensors header, the format's own limit


class WeightsError(Exception):
    """Weights cannot be loaded; the message names the file, what is wrong and the remedy."""


class WeightsMissing(WeightsError, FileNotFoundError):
    """There is no such file or folder."""


class BadWeights(WeightsError, ValueError):
    """A file is damaged, foreign, or of another network."""


def read_weights(path: str | Path, remedy: str) -> dict[str, Tensor]:
    """All tensors of a safetensors file, whole and finite.

    Args:
        path: the file.
        remedy: how to get the right one, for the error: "train it with `palme train policy`".

    Raises:
        WeightsMissing: there is no such file.
        BadWeights: it is no safetensors file, is damaged, or holds a number that is not finite.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    _check_safetensors(path, remedy)
    try:
        found = load_file(path)
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise BadWeights(f"{path}: cannot be read as safetensors ({error}); {remedy}") from error
    if not found:
        raise BadWeights(f"{path}: holds no tensors; {remedy}")
    for name, value in found.items():
        if value.is_floating_point() and not _finite(value):
            raise BadWeights(
                f"{path}: tensor {name} holds a number that is not finite: training diverged, or the file is "
                f"damaged; {remedy}"
            )
    return found


def _finite(value: Tensor) -> bool:
    """Whether every number is finite: NaN and infinity alone have all bits of the exponent set."""
    import torch

    exponents = {
        torch.bfloat16: (torch.int16, 0x7F80),
        torch.float16: (torch.int16, 0x7C00),
        torch.float32: (torch.int32, 0x7F800000),
        torch.float64: (torch.int64, 0x7FF0000000000000),
    }
    if value.dtype not in exponents or not value.numel():
        return bool(torch.isfinite(value.float()).all())
    whole, mask = exponents[value.dtype]
    return bool((value.contiguous().view(whole) & mask).max() < mask)


def metadata_of(path: str | Path, remedy: str) -> dict[str, str]:
    """The metadata of a safetensors file; {} = none. Raises as `read_weights`."""
    header = _check_safetensors(Path(path), remedy)
    return dict(header.get("__metadata__") or {})


def load_state(
    module: nn.Module, path: str | Path, remedy: str, prefix: str = "", optional: Collection[str] = ()
) -> None:
    """Fill `module` from the tensors of a file, in the module's own types; all of it or nothing.

    Args:
        module: the network.
        path: a safetensors file.
        remedy: see `read_weights`.
        prefix: only tensors whose names begin with it, which is cut off; "" = all.
        optional: names that the file may lack; the module keeps what it has.

    Raises:
        WeightsMissing, BadWeights: see `read_weights` and `fitted`.
    """
    found = read_weights(path, remedy)
    chosen = {k.removeprefix(prefix): v for k, v in found.items() if k.startswith(prefix)}
    if not chosen:
        raise BadWeights(f"{path}: {foreign(found)}; {remedy}")
    module.load_state_dict(fitted(chosen, module.state_dict(), path, remedy, optional))


def fitted(
    found: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    path: str | Path,
    remedy: str,
    optional: Collection[str] = (),
) -> dict[str, Tensor]:
    """The tensors of a network: `found`, in the types of `wanted`; optional ones that it lacks from `wanted`.

    Args and errors: see `check_fit`.
    """
    check_fit(found, wanted, path, remedy, optional)
    return {**wanted, **{name: value.to(wanted[name].dtype) for name, value in found.items()}}


def check_fit(
    found: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    path: str | Path,
    remedy: str,
    optional: Collection[str] = (),
) -> None:
    """Raises unless `found` are the tensors of a network.

    Args:
        found: tensors of the file `path`.
        wanted: the network's own, of which names, shapes and types count.
        path: of the file or folder, for errors.
        remedy: see `read_weights`.
        optional: names that may be missing.

    Raises:
        BadWeights: a tensor is missing, too many, or of another shape or type.
    """
    missing = [name for name in wanted if name not in found and name not in optional]
    extra = [name for name in found if name not in wanted]
    if len(extra) == len(found):
        raise BadWeights(f"{path}: {foreign(found)}; {remedy}")
    if missing:
        raise BadWeights(f"{path}: lacks {_some(missing)} of this network's {len(wanted)} tensors; {remedy}")
    if extra:
        raise BadWeights(f"{path}: has {_some(extra)} that this network lacks; {remedy}")
    for name, value in found.items():
        target = wanted[name]
        if value.shape != target.shape:
            raise BadWeights(
                f"{path}: tensor {name} has shape {tuple(value.shape)}, this network needs "
                f"{tuple(target.shape)}: weights of another size or another arm; {remedy}"
            )
        kind = str(value.dtype).removeprefix("torch.")
        if value.is_floating_point() != target.is_floating_point() or (
            value.is_floating_point() and kind not in FLOATS
        ):
            needed = " or ".join(FLOATS) if target.is_floating_point() else "whole numbers"
            raise BadWeights(
                f"{path}: tensor {name} is of type {kind}, this network needs {needed}; {remedy}"
            )


def foreign(found: Mapping[str, Any]) -> str:
    """Describes tensors none of which fits, with what they look like."""
    names = list(found)
    hint = ""
    if any("lora_" in name for name in names):
        hint = ": a LoRA adapter, which needs its base"
    elif any(name.startswith(("net.", "optimiser")) for name in names):
        hint = ": a checkpoint of a training; name what the training ships"
    return f"holds {_some(names)}, none of which this network has{hint}"


def read_json(path: str | Path, remedy: str) -> dict[str, Any]:
    """The mapping in a JSON file.

    Raises:
        WeightsMissing: there is no such file.
        BadWeights: it is damaged, or something else.
    """
    path = Path(path)
    _check_kind(path, remedy)
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadWeights(f"{path}: is no JSON, or cut short ({error}); {remedy}") from error
    if not isinstance(found, dict):
        raise BadWeights(f"{path}: holds {type(found).__name__}, not a mapping of names to values; {remedy}")
    return found


def _check_kind(path: Path, remedy: str) -> bytes:
    """The first bytes of `path`. Raises if it is missing, no file, empty, or clearly something else."""
    if not path.exists():
        raise WeightsMissing(f"{path}: no such file; {remedy}")
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no regular file"
        raise BadWeights(f"{path}: is {kind} where a file belongs; {remedy}")
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise BadWeights(f"{path}: cannot be read: {error.strerror}; {remedy}") from error
    if not head:
        raise BadWeights(f"{path}: is empty; {remedy}")
    for begin, what in KINDS:
        if head.startswith(begin):
            raise BadWeights(f"{path}: is {what}; {remedy}")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise BadWeights(f"{path}: is {WEB}; {remedy}")
    if head[0] == 0x80 and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") and not _plausible(head, path):
        raise BadWeights(f"{path}: is {PICKLE}; {remedy}")
    if not any(head):
        raise BadWeights(f"{path}: begins with nothing but zeros, as after a crash or a full disk; {remedy}")
    return head


def _plausible(head: bytes, path: Path) -> bool:
    """Whether a safetensors header may begin here: its length, then a JSON mapping."""
    return len(head) > 8 and head[8:9] == b"{" and _length(head) <= path.stat().st_size


def _length(head: bytes) -> int:
    return int(struct.unpack("<Q", head[:8])[0])


def _check_safetensors(path: Path, remedy: str) -> dict[str, Any]:
    """The header of `path`. Raises unless the file is as long as the header says."""
    head = _check_kind(path, remedy)
    size = path.stat().st_size
    if not (len(head) > 8 and head[8:9] == b"{" and _length(head) <= HEADER_LIMIT):
        text = all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)
        kind = "text" if text else "no safetensors file, or its beginning is damaged"
        raise BadWeights(f"{path}: is {kind} ({size} bytes, beginning {head[:16]!r}); {remedy}")
    end = 8 + _length(head)
    try:
        header = json.loads(path.open("rb").read(end)[8:]) if end <= size else None
    except ValueError as error:
        raise BadWeights(f"{path}: its header is damaged ({error}); {remedy}") from error
    if header is None:
        raise BadWeights(f"{path}: is cut short in its header, at {size} bytes; {remedy}")
    try:
        spans = [span["data_offsets"][1] for name, span in header.items() if name != "__metadata__"]
        needed = end + max(spans, default=0)
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise BadWeights(f"{path}: its header is damaged; {remedy}") from error
    if not size == needed:
        kind = "is cut short" if size < needed else "has something behind its end"
        raise BadWeights(f"{path}: {kind}: {size} bytes in place of {needed}; {remedy}")
    return dict(header)


def _some(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:2])
    return f"{len(names)} tensors such as {shown}" if len(names) > 2 else shown
