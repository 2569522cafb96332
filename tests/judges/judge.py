"""A judge: somebody else's package, in an environment of its own under out/judges, built when asked for."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Judge:
    """One environment.

    Attributes:
        name: of its folder; PALME_JUDGE_NAME in the process's environment names another.
        packages: what judges, pinned.
        beside: more words for pip.
        with_python: the path of the Python it is made with. Raises SystemExit where there is none.
    """

    name: str
    packages: tuple[str, ...]
    beside: tuple[str, ...] = ()
    with_python: Callable[[], str] = lambda: sys.executable

    @property
    def home(self) -> Path:
        variable = f"PALME_JUDGE_{self.name.upper().replace('-', '_')}"
        return Path(os.environ.get(variable, ROOT / "out" / "judges" / self.name))

    @property
    def python(self) -> Path:
        return self.home / "bin" / "python"

    def built(self) -> bool:
        """Whether the environment is there and complete."""
        ready = self.home / "ready"
        return ready.exists() and ready.read_text() == "\n".join(self.packages)

    def build(self) -> None:
        """Make it. Raises CalledProcessError where a package cannot be had."""
        print(f"building the judge's environment in {self.home}")
        subprocess.run([self.with_python(), "-m", "venv", "--clear", self.home], check=True)
        pip = [self.python, "-m", "pip", "install", "--disable-pip-version-check", "-q"]
        subprocess.run([*pip, *self.packages, *self.beside], check=True)
        (self.home / "ready").write_text("\n".join(self.packages))

    def verdict(
        self, judged: Callable[[Path], dict[str, Any]], good: Callable[[dict[str, Any]], bool]
    ) -> int:
        """Have it judge in a folder of its own, and print what it found. Returns 0 where that is good."""
        if not self.built():
            self.build()
        with tempfile.TemporaryDirectory() as folder:
            found = judged(Path(folder))
        for name, value in found.items():
            print(f"{name:<28} {value}")
        print("good" if good(found) else "NOT GOOD")
        return 0 if good(found) else 1
