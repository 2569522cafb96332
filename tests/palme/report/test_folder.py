"""A disk that fails costs the files that were on it, and neither the run nor the lines before and after."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from palme.report.folder import OutputFolder
from palme.report.log import EventLog

ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO)
LINES = 12


class Disk:
    """Fails writes `first` to `last`, each after having written half of what it was given."""

    def __init__(self, number: int, first: int, last: int) -> None:
        self.number, self.first, self.last, self.n = number, first, last, 0
        self._pwrite = os.pwrite

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        self.n += 1
        if self.first <= self.n <= self.last:
            self._pwrite(fd, data[: len(data) // 2], offset)
            raise OSError(self.number, os.strerror(self.number))
        return self._pwrite(fd, data, offset)


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("number", ERRORS)
@pytest.mark.parametrize("length", (1, 3, LINES))
def test_a_log_keeps_whole_lines_whichever_write_fails_and_says_what_is_missing(
    number, length, tmp_path, monkeypatch
):
    for k in range(1, LINES + 2):
        path = tmp_path / f"{number}-{length}-{k}" / "events.jsonl"
        disk, said = Disk(number, k, k + length - 1), []
        with monkeypatch.context() as patched:
            patched.setattr(os, "pwrite", disk.pwrite)
            with EventLog(path, said.append, run="r", seed=7) as log:
                for i in range(LINES):
                    log.note("line", i=i)
        found = lines_of(path)
        kept = [line["i"] for line in found if line["event"] == "line"]
        assert kept == sorted(kept) and len(kept) + log.lost >= LINES
        assert k > LINES or (log.fault is not None and log.fault.errno == number and len(said) >= log.lost)
        if kept:
            assert found[0] == {"event": "header", "schema": "palme-events/1", "id": "r", "seed": 7}
        if kept and kept[-1] == LINES - 1 and len(kept) < LINES:
            assert sum(line["lines"] for line in found if line["event"] == "gap") == LINES - len(kept)


@pytest.mark.parametrize("number", ERRORS)
def test_a_log_that_cannot_be_opened_at_first_has_its_header_later(number, tmp_path, monkeypatch):
    real, tries = os.open, []

    def opened(path, *rest, **more):
        if str(path).endswith("events.jsonl"):
            tries.append(path)
            if len(tries) <= 3:
                raise OSError(number, os.strerror(number))
        return real(path, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", opened)
        with EventLog(tmp_path / "events.jsonl", lambda error: None, seed=7) as log:
            for i in range(5):
                log.note("line", i=i)
    found = lines_of(tmp_path / "events.jsonl")
    assert [line["event"] for line in found] == ["header", "gap", "line", "line", "line"]
    assert found[1]["lines"] == 2


def test_without_a_listener_for_faults_the_error_is_raised(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "pwrite", Disk(errno.ENOSPC, 1, 99).pwrite)
    with pytest.raises(OSError, match="No space left"):
        EventLog(tmp_path / "events.jsonl")


@pytest.mark.parametrize("number", ERRORS)
@pytest.mark.parametrize("call", ("write_text", "replace", "mkdir"))
def test_a_file_is_written_whole_or_its_older_one_stays_and_the_fault_is_said_once(
    number, call, tmp_path, monkeypatch
):
    said: list[str] = []
    folder = OutputFolder(tmp_path / "o", said.append)
    if call != "mkdir":
        folder.create()
        for name in ("a.html", "b.html"):
            folder.write_text(name, "older")

    def fails(*given, **more):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        if call == "replace":
            patched.setattr(os, "replace", fails)
        else:
            patched.setattr(Path, call, fails)
        if call == "mkdir" and number in (errno.EROFS, errno.EACCES, errno.EFBIG):
            with pytest.raises(OSError):
                folder.create()
            return
        folder.create() if call == "mkdir" else None
        for name in ("a.html", "b.html"):
            folder.write_text(name, "newer")
    assert len(said) <= 2 and os.strerror(number).lower() in said[0]
    assert {"a.html", "b.html"} <= set(folder.missing)
    if call != "mkdir":
        assert len(said) == 1 and "an older one" in said[0]
        assert sorted(p.name for p in folder.path.iterdir()) == ["a.html", "b.html"]
        assert (folder.path / "a.html").read_text() == "older"


def test_text_that_utf_8_lacks_does_not_cost_the_report(tmp_path):
    folder = OutputFolder(tmp_path, lambda said: None)
    folder.write_text("report.html", "a lone \udcff surrogate")
    assert (tmp_path / "report.html").read_text() == "a lone \\udcff surrogate" and not folder.missing
