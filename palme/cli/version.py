"""Which version of this stack made a result."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version

from palme.cli.paths import ROOT

DISTRIBUTION = "palme-stack"


def release() -> str:
    """The installed version; "checkout" without an installation."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "checkout"


def commit() -> str:
    """Of this checkout, with "+" where files differ from it; "unknown" outside of one."""
    try:
        sha = _git("rev-parse", "HEAD").strip()
        return sha + ("+" if _git("status", "--porcelain", "--untracked-files=no").strip() else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ("git", "-C", str(ROOT), *arguments), capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout
