"""The published `openpi-client` judges our server, and its codec our client.

It pins numpy < 2 and cannot stand beside us, so it gets an environment of its own:

    python -m tests.judges.openpi

builds out/judges/openpi once, then runs tests/palme/cli/test_judges.py
"""

from __future__ import annotations

import subprocess
import sys

from tests.judges.judge import ROOT, Judge

# the first imports the second, undeclared
JUDGE = Judge("openpi", ("openpi-client==0.1.2", "typing-extensions"))


def main() -> int:
    """Returns 0 where every verdict is good."""
    if not JUDGE.built():
        JUDGE.build()
    return subprocess.call(
        [sys.executable, "-m", "pytest", "-rA", "tests/palme/cli/test_judges.py"], cwd=ROOT
    )


if __name__ == "__main__":
    sys.exit(main())
