"""`palme bench install`: what the computer next to an arm needs, in an environment of its own.

The base install alone (no extra) goes into a fresh virtual environment, from a copy of this checkout; it is
weighed, imported, and started as `palme serve` until it says that it serves.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.errors import UsageError
from palme.cli.settings.bench import InstallConfig
from robots.bridge import keys

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ("palme", "sim", "robots", "configs", "pyproject.toml", "README.md", "constraints.txt")
NOT_BASE = ("torch", "transformers", "pybullet", "gymnasium", "cv2", "hydra")
SERVING = 1.0  # [s] to a serving process, at most


def bench_install(config: InstallConfig, bar: Bar) -> dict[str, Any]:
    """Figures by name: MB of files, seconds. Raises UsageError outside a checkout, or where pip fails."""
    if not (ROOT / "pyproject.toml").is_file():
        raise UsageError(f"{ROOT} is no checkout of palme; bench install needs one to install from")
    with tempfile.TemporaryDirectory() as name, bar("install", 2 + 3 * config.starts) as progress:
        folder = Path(name)
        source, home = folder / "source", folder / "venv"
        source.mkdir()
        for part in SOURCES:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
            copy(ROOT / part, source / part)
        venv.create(home, with_pip=True)
        python = home / "bin" / "python"
        (site,) = home.glob("lib/python*/site-packages")
        before = _sizes(site)
        progress.update(1)
        pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        done = subprocess.run(
            [*pip, "-c", str(source / "constraints.txt"), str(source)], capture_output=True, text=True
        )
        if done.returncode != 0:
            raise UsageError(f"pip could not install the base: {done.stderr.strip()[-500:]}")
        progress.update(1)
        sizes = {part: size - before.get(part, 0) for part, size in _sizes(site).items()}
        ours = sum(sizes.get(part, 0) for part in ("palme", "sim", "robots", "configs"))
        too_much = [package for package in NOT_BASE if package in sizes]

        def timed(what: Callable[[], float]) -> list[float]:
            out = []
            for _ in range(config.starts):
                out.append(what())
                progress.update(1)
            return out

        bare = timed(lambda: _runs(python, "pass"))
        imported = timed(lambda: _runs(python, "import robots.serve"))
        own = folder / "keys"
        keys.new(own, "server")
        serving = timed(lambda: _serves(home / "bin" / "palme", own))
    return {
        "installed_mb": round(sum(sizes.values()) / 1e6, 1), "of_these_ours_mb": round(ours / 1e6, 1),
        "of_these_weights_mb": round(_size(ROOT / "palme" / "weights") / 1e6, 1),
        "packages": sorted(part.removesuffix(".dist-info") for part in sizes.keys() - before.keys()
                           if part.endswith(".dist-info")),
        "not_base_but_there": too_much,
        "python_starts_s": float(np.median(bare)),
        "import_s": float(np.median(imported) - np.median(bare)),
        "serving_s_p50": float(np.median(serving)), "serving_s_max": max(serving),
    }  # fmt: skip


def _sizes(site: Path) -> dict[str, int]:
    """[bytes] of each thing in `site`."""
    return {part.name: _size(part) for part in site.iterdir()}


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _runs(python: Path, code: str) -> float:
    """[s] from its start to its end."""
    begin = time.perf_counter()
    subprocess.run([str(python), "-c", code], check=True, cwd=python.parent)
    return time.perf_counter() - begin


def _serves(palme: Path, own: Path) -> float:
    """[s] from the start of `palme serve` until it says that it serves."""
    words = ["serve", "robot=panda", "backend=ideal", "address=tcp://127.0.0.1:0", f"keys={own}"]
    begin = time.perf_counter()
    child = subprocess.Popen([str(palme), *words], stdout=subprocess.PIPE, text=True, cwd=palme.parent)
    try:
        assert child.stdout is not None
        line = child.stdout.readline()
        took = time.perf_counter() - begin
        if not line.startswith("serving"):
            raise UsageError(f"palme serve said {line.strip()!r} and does not serve")
        return took
    finally:
        child.terminate()
        child.wait(10)


def _has_failed(figures: Figures) -> bool:
    return bool(figures["serving_s_p50"] > SERVING or figures["not_base_but_there"])


BENCH = Bench(InstallConfig, bench_install, _has_failed)
