"""A listener never ends a run: whatever the reader of standard output does, `print` goes on."""

from __future__ import annotations

import errno
import io
import itertools
import os
import subprocess
import sys
import threading
import time

import pytest

from robots.output import PLAIN, Output, safe_output

OURS = "“put the red block” → done · 3 × 2 ≥ 5 … 20 °C – 1 µm"  # characters that palme prints itself


class Failing(io.StringIO):
    """A stream whose `write` raises from the k-th one on, or only at it."""

    def __init__(self, k: int, error: Exception, once: bool) -> None:
        super().__init__()
        self.k, self.error, self.once, self.n = k, error, once, 0

    def write(self, text: str) -> int:
        self.n += 1
        if self.n == self.k + 1 or (self.n > self.k and not self.once):
            raise self.error
        return super().write(text)


FAULTS = [OSError(n, os.strerror(n)) for n in (
    errno.EPIPE, errno.EIO, errno.EBADF, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.ENXIO,
    errno.ECONNRESET, errno.EACCES,
)] + [ValueError("I/O operation on closed file")]  # fmt: skip


@pytest.mark.parametrize("patience", (None, 0.5))
@pytest.mark.parametrize("error", FAULTS, ids=str)
def test_printing_goes_on_whichever_write_fails(error, patience):
    for k, once in itertools.product(range(6), (True, False)):
        said: list[str] = []
        stream = Failing(k, error, once)
        out = Output(stream, "standard output", patience, said.append)
        for i in range(6):
            print(i, file=out, flush=True)
        out.drain(1.0)
        assert out.fault is not None and len(said) <= 1
        assert stream.getvalue().startswith("".join(f"{i}\n" for i in range(k)))


def test_a_full_disk_that_gets_room_again_gets_the_later_lines():
    stream = Failing(1, OSError(errno.ENOSPC, "full"), once=True)
    out = Output(stream, "standard output")
    for i in range(4):
        print(i, file=out)
    assert stream.getvalue() == "0\n2\n3\n"


@pytest.mark.parametrize("encoding", ("ascii", "latin-1", "cp1252", "koi8-r", "utf-8", "shift_jis", "utf-16"))
def test_every_text_can_be_printed_in_every_encoding(encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict", write_through=True)
    out = Output(stream, "standard output")
    texts = [OURS, *PLAIN, "ö 積木 \N{WHITE HEAVY CHECK MARK}", "a lone \udcff surrogate", "\x00\x1b"]
    for text in texts:
        print(text, file=out)
    shown = stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert out.fault is None and shown.count("\n") == len(texts) and "put the red block" in shown


def test_in_ascii_an_arrow_is_still_an_arrow():
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True)
    print("“a” → b…", file=Output(stream, "standard output"))
    assert stream.buffer.getvalue() == b'"a" -> b...\n'  # type: ignore[attr-defined]


def test_a_reader_that_takes_nothing_delays_a_long_command_once_and_is_told_of():
    read, write = os.pipe()
    said: list[str] = []
    with open(write, "w") as stream:
        out = Output(stream, "standard output", 0.05, said.append)
        begin = time.monotonic()
        for _ in range(3000):
            print("x" * 1000, file=out, flush=True)
        assert time.monotonic() - begin < 20  # and not for ever
        out.drain(0.1)
        assert said and "left out" in said[0]
        os.close(read)


def test_a_slow_reader_gets_every_line_in_order():
    read, write = os.pipe()
    got: list[bytes] = []

    def slowly() -> None:
        while part := os.read(read, 4096):
            got.append(part)
            time.sleep(0.001)

    reader = threading.Thread(target=slowly)
    reader.start()
    with open(write, "w") as stream:
        out = Output(stream, "standard output", 0.02)
        for i in range(3000):
            print(f"{i:0100d}", file=out)
        out.drain(10.0)
    reader.join(10)
    os.close(read)
    assert [int(line) for line in b"".join(got).split()] == list(range(3000))


def test_a_non_blocking_pipe_loses_nothing():
    read, write = os.pipe()
    os.set_blocking(write, False)
    got: list[bytes] = []

    def all_of_it() -> None:
        time.sleep(0.05)
        while part := os.read(read, 65536):
            got.append(part)

    reader = threading.Thread(target=all_of_it)
    reader.start()
    with open(write, "w") as stream:
        print("y" * 300_000, file=Output(stream, "standard output"))
    reader.join(10)
    os.close(read)
    assert len(b"".join(got)) == 300_001


def test_the_streams_are_restored_and_one_command_may_run_another(capsys):
    before = sys.stdout, sys.stderr
    with safe_output() as (out, _), safe_output() as (inner, _):
        assert inner is out and sys.stdout is out
        print("inside")
    assert (sys.stdout, sys.stderr) == before and capsys.readouterr().out == "inside\n"


CLOSED = """
import os, sys
from robots.output import safe_output
with safe_output(0.05):
    print("lost or not")
    print("an error", file=sys.stderr)
    log = open({path!r}, "w")
    number = log.fileno()
    sys.stdin.read(); sys.stdout.isatty()
    os.write(2, b"from a library")
    log.write("the log"); log.close()
sys.exit(3 if number > 2 else 4)
"""


@pytest.mark.parametrize("closed", (">&-", "2>&-", "<&-", ">&- 2>&-", ">&- 2>&- <&-", ">/dev/full"))
def test_a_closed_descriptor_is_never_given_to_a_file(closed, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(CLOSED.format(path=str(tmp_path / "log")))
    done = subprocess.run(
        ["bash", "-c", f'"$0" "$1" {closed}', sys.executable, str(script)],
        stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.returncode == 3 and (tmp_path / "log").read_text() == "the log"
