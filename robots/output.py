"""Standard output and error that never end a program: a run outlives whoever reads what it prints.

A reader may close its pipe, read slowly or not at all, fill its disk, hang up its terminal, or lack a
character of ours. `safe_output` wraps both streams once, in `main`; everything printed then passes them.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

PATIENCE = 0.05  # [s] that one line of a long command waits for its reader, before lines queue up
DRAIN = 5.0  # [s] that the end of a long command waits for a reader that takes nothing
BACKLOG = 1 << 20  # [bytes] that queue up for a slow reader; what is beyond is left out, and counted
GONE = {errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO, errno.ECONNRESET}  # nobody will read this again
PLAIN = {
    "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "→": "->", "←": "<-", "…": "...", "·": "-",
    "–": "-", "—": "-", "−": "-", "×": "x", "±": "+-", "≥": ">=", "≤": "<=", "°": " deg", "µ": "u",
    "\N{NO-BREAK SPACE}": " ",
}  # fmt: skip


def _plain(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lost = error.object[error.start : error.end]
    return "".join(PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lost), error.end


codecs.register_error("palme.plain", _plain)


class Output(io.TextIOBase):
    """A text stream for printing whose `write` and `flush` raise nothing, and wait at most `patience`.

    Args:
        stream: what is wrapped; None = a stream that was closed before the program began.
        name: of the stream, for a person.
        patience: [s] that a line waits for the reader; None = as long as the reader takes, in this thread.
        told: called once with a sentence when output is lost; not for a pipe closed in a short command.

    Attributes:
        fault: the first error that lost output, None so far.
    """

    def __init__(
        self,
        stream: TextIO | None,
        name: str,
        patience: float | None = None,
        told: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.stream, self._name, self._patience, self._told = stream, name, patience, told
        self.fault: OSError | None = None
        self._gone = stream is None
        self._fd = _descriptor(stream)
        self._line = ""
        self._lock = threading.RLock()  # a signal's handler may print in the midst of a print
        self._queued = threading.Condition(self._lock)
        self._queue: deque[bytes] = deque()
        self._size = self._given = self._taken = self._left_out = 0  # [bytes], three counts
        self._behind = self._ended = False
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        if self._fd is not None and stream is not None:
            try:
                stream.flush()
            except (OSError, ValueError):
                pass

    # -- a text stream ------------------------------------------------------------------------

    def write(self, text: str) -> int:
        """Print `text`; lines leave at once, the rest at the next `flush`."""
        with self._lock:
            whole = self._line + text
            cut = whole.rfind("\n") + 1
            whole, self._line = whole[:cut], whole[cut:]
        if whole:
            self._emit(whole)
        return len(text)

    def flush(self) -> None:
        """Print what was written of an unfinished line."""
        with self._lock:
            text, self._line = self._line, ""
        if text:
            self._emit(text)

    def isatty(self) -> bool:
        """Whether a terminal reads."""
        try:
            return self.stream is not None and self.stream.isatty()
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        """The descriptor of the wrapped stream. Raises `io.UnsupportedOperation` if it has none."""
        if self.stream is None:
            raise io.UnsupportedOperation("fileno")
        return self.stream.fileno()

    def writable(self) -> bool:
        """True."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the wrapped stream."""
        return getattr(self.stream, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What becomes of characters that `encoding` lacks."""
        return "palme.plain"

    @property
    def buffer(self) -> Any:
        """Of the wrapped stream, for bytes."""
        return getattr(self.stream, "buffer", None)

    def drain(self, limit: float | None = DRAIN) -> None:
        """Wait for the reader, at most `limit` [s] without progress; the rest is left out."""
        self.flush()
        with self._lock:
            while self._queue or self._taken < self._given:
                before = self._taken
                if not self._queued.wait_for(lambda: self._taken > before, limit):  # noqa: B023
                    break
            self._ended = True
            lost = self._left_out + sum(part.count(b"\n") for part in self._queue)
            self._queue.clear()
            self._queued.notify_all()
        if lost:
            self._told(f"{self._name}: {lost} lines were left out, its reader did not take them")

    # -- inside -------------------------------------------------------------------------------

    def _emit(self, text: str) -> None:
        if self._gone:
            return
        data = text.encode(self.encoding, "palme.plain")
        if self._patience is None or os.getpid() != self._pid:  # a forked process has no thread of ours
            self._send(data)
            return
        with self._lock:
            if self._ended:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"prints to {self._name}", daemon=True)
                self._thread.start()
            if self._size + len(data) > BACKLOG:
                self._left_out += data.count(b"\n")
                return
            self._queue.append(data)
            self._size += len(data)
            self._given += 1
            ticket = self._given
            self._queued.notify_all()
            if not self._behind:
                self._behind = not self._queued.wait_for(lambda: self._taken >= ticket, self._patience)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._queued.wait_for(lambda: self._queue or self._ended)
                if not self._queue:
                    return
                data = self._queue.popleft()
            self._send(data)
            with self._lock:
                self._size -= len(data)
                self._taken += 1
                self._behind = self._behind and bool(self._queue)
                self._queued.notify_all()

    def _send(self, data: bytes) -> None:
        if self._gone:
            return
        try:
            if self._fd is None:
                assert self.stream is not None
                self.stream.write(data.decode(self.encoding))
                self.stream.flush()
            else:
                _write_all(self._fd, data)
        except (OSError, ValueError) as error:
            self._lost(error if isinstance(error, OSError) else OSError(errno.EBADF, str(error)))

    def _lost(self, error: OSError) -> None:
        self._gone = error.errno in GONE  # a full disk may have room again: the next line is tried
        first, self.fault = self.fault is None, self.fault or error
        quiet = error.errno in GONE and self._patience is None
        if first and not quiet:
            why = (error.strerror or str(error)).lower()
            self._told(f"{self._name}: {why}; what is printed is lost, the command goes on")


def _descriptor(stream: TextIO | None) -> int | None:
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:  # the other end of the pipe made it non-blocking
            select.select([], [fd], [], 1.0)


@contextmanager
def safe_output(patience: float | None = None) -> Iterator[tuple[Output, Output]]:
    """Wrap standard output and error, both ways of closing included; at the end, drain and restore them.

    Descriptors 0 to 2 that are closed are opened on the null device first: otherwise the next file that is
    opened, such as a log, would get the number of standard output, and what libraries print.

    Args:
        patience: see `Output`: None for commands whose product is what they print.

    Yields:
        Standard output and error.
    """
    if isinstance(sys.stdout, Output) and isinstance(sys.stderr, Output):  # a command within a command
        yield sys.stdout, sys.stderr
        return
    _fill_descriptors()
    before = sys.stdin, sys.stdout, sys.stderr
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    err = Output(sys.stderr, "standard error", patience)

    def told(said: str) -> None:
        err.write(f"palme: {said}\n")

    out = Output(sys.stdout, "standard output", patience, told)
    sys.stdout, sys.stderr = out, err
    try:
        yield out, err
    finally:
        try:
            for stream in (out, err):
                stream.drain(None if patience is None else DRAIN)
        finally:
            if before[0] is None:
                sys.stdin.close()
            sys.stdin, sys.stdout, sys.stderr = before


def _fill_descriptors() -> None:
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one


def say_at_once(text: str) -> None:
    """Write to standard error from a signal's handler: no lock, no waiting, no error."""
    try:
        if select.select([], [2], [], 0)[1]:
            os.write(2, text.encode("ascii", "palme.plain"))
    except (OSError, ValueError):
        pass
