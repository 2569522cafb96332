"""Text typed on a command line, read by the type of the setting that it is given to.

Text settings take what was typed, to the letter: `=`, commas, brackets, quotes, `$`, digits and "null" mean
themselves. Nothing is a grammar here but the entries of a list.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from palme.cli.errors import UsageError

NULL = "null"
SWITCH = {
    "true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False,
}  # fmt: skip
_INTEGER = re.compile(r"[+-]?[0-9]+(_[0-9]+)*")
_NUMBER = re.compile(r"[+-]?([0-9]+(_[0-9]+)*\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|nan)", re.I)
_OPENING = {"[": "]", "(": ")", "{": "}"}


class TypedText(str):
    """A value as a person typed it.

    Attributes:
        default: what stands in its place in the YAML file.
    """

    default: Any

    def __new__(cls, text: str, default: Any = None) -> Self:
        """Text with the value that it replaces."""
        self = super().__new__(cls, text)
        self.default = default
        return self


def scalar(kind: type, text: str) -> Any:
    """`text` as a bool, int, float, str or Path; `text` itself where it is none, for the caller to refuse."""
    if kind is bool:
        return SWITCH.get(text.strip().lower(), text)
    if kind is int:
        return int(text) if _INTEGER.fullmatch(text.strip()) else text
    if kind is float:
        return float(text) if _NUMBER.fullmatch(text.strip()) else text
    if kind is Path:
        return Path(expanded(text)) if text else text
    return str(text)


def expanded(text: str) -> str:
    """A file name with a leading `~` or `~user` replaced; an unknown user's stays as it is."""
    return os.path.expanduser(text)


def is_bracketed(text: str) -> bool:
    """Whether `text` is written as a list, `[...]`."""
    stripped = text.strip()
    return stripped.startswith("[") and stripped.endswith("]") and len(stripped) > 1


def entries(text: str, path: str) -> list[TypedText]:
    """The entries of a list: `[a, b]`, `a,b` or `a`; quotes keep commas and blanks of an entry.

    Inside quotes, a backslash before a quote or a backslash is left out.

    Raises:
        UsageError: a bracket or a quote is not closed.
    """
    inner = text.strip()
    if is_bracketed(inner):
        inner = inner[1:-1]
    elif inner.startswith("[") or inner.endswith("]"):
        raise UsageError(f"{path}={str(text)!r}: expected a list with both brackets, such as {path}=[a,b]")
    found, begin, open_ends = list[str](), 0, list[str]()
    quote, at = "", 0
    while at < len(inner):
        letter = inner[at]
        if quote:
            if letter == "\\" and inner[at + 1 : at + 2] in ("\\", "'", '"'):
                at += 1
            elif letter == quote:
                quote = ""
        elif letter in "'\"" and not inner[begin:at].strip():
            quote = letter
        elif letter in _OPENING:
            open_ends.append(_OPENING[letter])
        elif open_ends and letter == open_ends[-1]:
            open_ends.pop()
        elif letter == "," and not open_ends:
            found.append(inner[begin:at])
            begin = at + 1
        at += 1
    if quote:
        raise UsageError(f"{path}={str(text)!r}: a quote is not closed; write {path}=['a','b']")
    last = inner[begin:]
    if last.strip() or not found:
        found.append(last)
    return [TypedText(_unquoted(one.strip())) for one in found] if inner.strip() else []


def plain(raw: Any) -> Any:
    """`raw` with typed text as YAML values, for what knows its types itself; text stays text.

    What replaces text in the YAML file is text, whatever it looks like.
    """
    if isinstance(raw, Mapping):
        return {key: plain(value) for key, value in raw.items()}
    if not isinstance(raw, TypedText):
        return raw
    if isinstance(raw.default, str):
        return str(raw)
    if raw == NULL:
        return None
    for kind in (int, float):
        if not isinstance(value := scalar(kind, raw), str):
            return value
    if isinstance(raw.default, bool) or raw.lower() in ("true", "false"):
        return scalar(bool, raw)
    return structure(raw)


def structure(text: str) -> Any:
    """Nested lists and mappings written in YAML's short form, `[{name: a, share: 0.5}]`; else the text."""
    import yaml

    if text.strip()[:1] not in ("[", "{"):
        return str(text)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return str(text)


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
        return re.sub(r"\\([\\'\"])", r"\1", text[1:-1])
    return text
