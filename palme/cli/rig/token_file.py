"""The secret that a policy server and its clients share, in a file."""

from __future__ import annotations

from pathlib import Path

from palme.cli.errors import UsageError, reason

TOKEN_BYTES = (16, 1024)


def read_token(path: Path | None) -> str | None:
    """`TOKEN_BYTES` of printable ASCII from a file, None without one. Raises UsageError."""
    if path is None:
        return None
    low, high = TOKEN_BYTES
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"token_file={path}: {reason(error)}; name a text file with {low} to {high} characters"
        ) from error
    if not (low <= len(token) <= high and token.isprintable() and " " not in token):
        raise UsageError(f"token_file={path}: expected {low} to {high} printable characters without spaces")
    return token
