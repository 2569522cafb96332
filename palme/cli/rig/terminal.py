"""The terminal of the person who started the command: whether there is one, and the lines typed there."""

from __future__ import annotations

import os
import select
import sys
from typing import TextIO


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def on_terminal() -> bool:
    """Whether a person types the input and reads the output."""
    return _is_terminal(sys.stdin) and _is_terminal(sys.stdout)


def typed_line(timeout: float) -> str | None:
    """The next line typed on the terminal.

    Args:
        timeout: longest wait in [s].

    Returns:
        The line without its end; None = none yet, or none can come: there is no terminal, it is closed, or
        the command runs in the background, where reading would stop it.
    """
    if not _is_terminal(sys.stdin):
        return None
    fd = sys.stdin.fileno()
    try:
        if os.tcgetpgrp(fd) != os.getpgrp() or not select.select([fd], [], [], timeout)[0]:
            return None
        data = os.read(fd, 4096)
    except (OSError, ValueError):  # the terminal was closed
        return None
    return data.decode(errors="replace").rstrip("\r\n") if data else None
