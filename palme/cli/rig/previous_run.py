"""The files of an earlier run in the same `out=`: set aside whole, so that old and new are never mixed."""

from __future__ import annotations

from pathlib import Path

PREVIOUS = "previous"
LOG, REPORT = "events.jsonl", "report.html"
FILES = (LOG, "scene.yaml", "video.mp4", REPORT)
PICTURES = "steps"  # a folder


def set_aside(out: Path) -> None:
    """Move an earlier run's files from `out` to `out`/previous, in place of those of the run before it.

    A run that was killed before its report does not take the place of a whole one there.

    Raises:
        OSError: the file system refuses.
    """
    if not (out / LOG).exists():
        return
    previous = out / PREVIOUS
    if (previous / REPORT).exists() and not (out / REPORT).exists():
        for name in FILES:
            (out / name).unlink(missing_ok=True)
        _remove(out / PICTURES)
        return
    previous.mkdir(exist_ok=True)
    for name in FILES:
        (previous / name).unlink(missing_ok=True)
    for name in FILES:
        if (out / name).exists():
            (out / name).replace(previous / name)
    for page in previous.glob("why-*.html"):
        page.unlink()
    for page in out.glob("why-*.html"):
        page.replace(previous / page.name)
    _remove(previous / PICTURES)
    if (out / PICTURES).is_dir():
        (out / PICTURES).replace(previous / PICTURES)


def _remove(folder: Path) -> None:
    """Remove the pictures in `folder`, and the folder if nothing else is in it."""
    for picture in folder.glob("*.jpg"):
        picture.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
