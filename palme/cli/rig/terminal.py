"""The terminal of the person who started the command: whether there is one, and the lines typed there."""

from __future__ import annotations

import os
import select
import sys
import termios
from typing import TextIO

POLL = 0.2  # [s] between two looks at whether the terminal is still there


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def on_terminal() -> bool:
    """Whether a person types the input and reads the output."""
    return _is_terminal(sys.stdin) and _is_terminal(sys.stdout)


class TerminalPerson:
    """The person who started the command (`palme.supervision.Person`)."""

    def answer(self, question: str) -> str | None:
        """See `Person.answer`; None without a terminal, or where it is closed."""
        if not on_terminal():
            return None
        print(f"{question} ", end="", flush=True)
        while _may_read():
            line = typed_line(POLL)
            if line is not None and line.strip():
                return line.strip()
        print()
        return None


def _may_read() -> bool:
    """Whether the terminal is open and ours: a closed one is ready to read, and has nothing."""
    if not _is_terminal(sys.stdin):
        return False
    try:
        termios.tcgetattr(sys.stdin.fileno())
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, termios.error):
        return False


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
