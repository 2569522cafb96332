"""Text that files, messages and screens can carry; the one owner of that question.

Python strings can hold what no encoding has: a byte of a file name or a terminal that is not UTF-8 becomes a
lone surrogate ("caf\\udce9"), and JSON or YAML can spell one out. Such text fails only where it is written,
that is after the arm has moved. So every entrance of a person's or another program's text asks here first.
Control characters are refused as well: a NUL ends a path, an escape character rewrites a terminal.
"""

from __future__ import annotations

import unicodedata

_WHITESPACE = "\t\n\r"


class TextRefused(ValueError):
    """Text holds a character that files and messages cannot carry; the message names it and its place."""


def text_problem(text: object) -> str:
    """What in `text` files, messages and paths cannot carry, with the remedy; "" if nothing."""
    if not isinstance(text, str):
        return f"{type(text).__name__} {_short(repr(text))} is not text; give it in quotes"
    at = next((i for i, c in enumerate(text) if _is_refused(c)), None)
    if at is None:
        return ""
    character = text[at]
    kind = "a control character"
    if unicodedata.category(character) == "Cs":
        kind = "half a surrogate pair, as from bytes that are not UTF-8"
    return (
        f"character {at + 1} of '{_short(escaped(text))}' is U+{ord(character):04X}, {kind}; "
        "type the text anew in UTF-8"
    )


def checked_text(text: str, what: str) -> str:
    """`text`, if everything can carry it.

    Args:
        text: of a person or of another program.
        what: its name in the message.

    Raises:
        TextRefused: it cannot be written; names the character.
    """
    if problem := text_problem(text):
        raise TextRefused(f"{what}: {problem}")
    return text


def escaped(text: str) -> str:
    r"""`text` with every character that `text_problem` refuses spelled out: "caf\udce9" in plain ASCII.

    For a program's own words, such as an error's message with a file name in it: a log line or the reason of
    a stop must not fail for them.
    """
    return "".join(_spelled(c) if _is_refused(c) else c for c in text)


def _spelled(c: str) -> str:
    return f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}"


def _is_refused(c: str) -> bool:
    return unicodedata.category(c) in ("Cs", "Cc") and c not in _WHITESPACE


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
