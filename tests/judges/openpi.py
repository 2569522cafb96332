"""The published `openpi-client` judges our server, and its codec our client.

It pins numpy < 2 and cannot stand beside us, so it gets an environment of its own:

    python -m tests.judges.openpi        # builds out/judges/openpi once, then runs tests/test_judges.py
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = ROOT / "out" / "judges" / "openpi"
PYTHON = HOME / "bin" / "python"
PACKAGES = ("openpi-client==0.1.2", "typing-extensions")  # the first imports the second, undeclared


def built() -> bool:
    """Whether the judge's environment is there and complete."""
    ready = HOME / "ready"
    return ready.exists() and ready.read_text() == "\n".join(PACKAGES)


def build() -> None:
    """Make the judge's environment. Raises CalledProcessError where a package cannot be had."""
    venv.create(HOME, with_pip=True, clear=True)
    subprocess.run(
        [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "-q", *PACKAGES], check=True
    )
    (HOME / "ready").write_text("\n".join(PACKAGES))


def main() -> int:
    """Returns 0 where every verdict is good."""
    if not built():
        print(f"building the judge's environment in {HOME.relative_to(ROOT)}")
        build()
    return subprocess.call([sys.executable, "-m", "pytest", "-rA", "tests/test_judges.py"], cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
