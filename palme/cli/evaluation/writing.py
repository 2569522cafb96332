"""Where the results of an evaluation go: an unfinished one never takes the place of more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robots.files import write_texts

RESULTS, REPORT = "results.json", "report.html"


def chosen_files(out: Path, content: Mapping[str, Any], finished: bool) -> tuple[Path, Path]:
    """Paths of results and page: beside the usual ones where those hold more than an unfinished one."""
    files = out / RESULTS, out / REPORT
    if finished or not is_better(files[0], content):
        return files
    return partial(files[0]), partial(files[1])


def write_results(files: tuple[Path, Path], content: Mapping[str, Any], page: str) -> None:
    """Write both, and remove what an earlier unfinished attempt left beside them."""
    write_texts({files[0]: json.dumps(content, indent=2) + "\n", files[1]: page})
    for path in files:
        partial(path).unlink(missing_ok=True)


def partial(path: Path) -> Path:
    """`results.partial.json` for `results.json`."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def is_better(path: Path, content: Mapping[str, Any]) -> bool:
    """Whether an unfinished evaluation must not take the place of the file at `path`.

    So it is where the file is of a finished evaluation, has more episodes, or is none of the same kind.
    """
    if not path.exists():
        return False
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
        return not (there["settings"]["complete"] is False and int(_played(there)) <= _played(content))
    except (OSError, ValueError, KeyError, TypeError):
        return True


def _played(content: Mapping[str, Any]) -> int:
    """Episodes, or cases of a suite."""
    n: int = content["overall"]["episodes"] if "overall" in content else content["suite"]["n"]
    return n
