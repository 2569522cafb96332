"""LeRobot's own `LeRobotDataset` judges what we record, and its reader's speed stands beside ours.

It wants Python 3.12 for its newest release and pins what we do not, so it gets an environment of its own:

    python -m tests.judges.lerobot        # builds out/judges/lerobot once (8 GB), then judges

Its video decoder torchcodec needs FFmpeg's libraries on the system (Debian: apt install ffmpeg); where they
are missing LeRobot's other backend, pyav, is measured, and the verdict says so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.judges.judge import ROOT, Judge

FASTER = 1.5


def _python312() -> str:
    for name in ("python3.12", *map(str, sorted(Path.home().glob(".pyenv/versions/3.12*/bin/python")))):
        found = shutil.which(name)
        works = found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0
        if found and works:
            return found
    raise SystemExit("LeRobot's judge needs Python 3.12 (pyenv install 3.12, or apt install python3.12-venv)")


JUDGE = Judge("lerobot", ("lerobot==0.4.4",), with_python=_python312)


def judged(folder: Path, frames: int = 200, reads: int = 300) -> dict[str, Any]:
    """Record a data set here, have LeRobot read it there. Returns what lerobot_reads.py prints.

    Raises CalledProcessError, with LeRobot's words on standard error, where it refuses.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for name, height, width, n, noise in (("small", 48, 64, 12, 0.0), ("large", 480, 640, frames, 2.0)):
        setting = {"episodes": 3, "frames": n, "height": height, "width": width, "noise": noise}
        command = [sys.executable, "-m", "palme.data.synthetic", str(folder / name), json.dumps(setting)]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    merge = ["data", "merge", folder / "small", folder / "small", f"into={folder / 'packed'}"]
    subprocess.run([sys.executable, "-m", "palme.cli.main", *merge], check=True, env=environment)
    script = Path(__file__).with_name("lerobot_reads.py")
    environment |= {"HF_HUB_OFFLINE": "1", "SVT_LOG": "1"}
    environment["HF_HOME"] = str(folder / "cache")
    done = subprocess.run(
        [JUDGE.python, "-P", script, str(folder), str(reads)],
        check=True,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    """Returns 0 where LeRobot reads everything as it was recorded, and slower than we do."""
    return JUDGE.verdict(judged, lambda found: found["times_faster"] >= FASTER and not found["problems"])


if __name__ == "__main__":
    sys.exit(main())
