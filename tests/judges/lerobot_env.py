"""LeRobot's own `lerobot-eval` judges our environments: it finds them by the plug-in and runs them.

PyBullet has wheels up to Python 3.11, and LeRobot 0.4.4 is the newest that runs there, so they get an
environment of their own:

    python -m tests.judges.lerobot_env        # builds out/judges/lerobot-env once (8 GB), then judges

Two things are judged. An ACT policy with random weights is evaluated by the command itself: all of it runs,
the films are there, and nothing is achieved. Then LeRobot's `rollout` plays what our oracle did in the same
scenes: the sentence reaches the policy, the features are what the plug-in says, and LeRobot counts a success.
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

PLUGIN = ROOT / "sim" / "lerobot_env_palme"
SMALL = (  # an ACT policy that downloads nothing and is built in a second
    "--policy.type=act", "--policy.device=cpu", "--policy.push_to_hub=false",
    "--policy.pretrained_backbone_weights=null", "--policy.dim_model=32", "--policy.n_heads=2",
    "--policy.dim_feedforward=32", "--policy.n_encoder_layers=1", "--policy.use_vae=false",
    "--policy.chunk_size=8", "--policy.n_action_steps=8",
)  # fmt: skip


def _python311() -> str:
    python = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    if python is None:
        raise SystemExit("this judge needs Python 3.11, the newest that PyBullet has wheels for")
    return python


JUDGE = Judge("lerobot-env", ("lerobot==0.4.4",), ("-e", f"{ROOT}[sim]", "-e", str(PLUGIN)), _python311)


def judged(folder: Path, ticks: int = 12) -> dict[str, Any]:
    """What LeRobot makes of our environments: figures by name, `problems` first of all.

    Raises CalledProcessError, with LeRobot's words on standard error, where it refuses.
    """
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "hub"),
    }
    out = folder / "eval"
    command = [
        JUDGE.home / "bin" / "lerobot-eval", "--env.discover_packages_path=lerobot_env_palme",
        "--env.type=palme", "--env.task=PutInBowl-v0", f"--env.episode_length={ticks}",
        "--env.image_size=64", *SMALL,
        "--eval.n_episodes=2", "--eval.batch_size=2", f"--output_dir={out}",
    ]  # fmt: skip
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, cwd=folder)
    found = json.loads((out / "eval_info.json").read_text())["overall"]
    films = [path for path in found["video_paths"] if Path(path).stat().st_size > 0]
    problems = []
    if found["n_episodes"] != 2 or found["pc_success"] != 0.0:
        problems.append(f"random weights: {found['n_episodes']} episodes, {found['pc_success']} % achieved")
    if len(films) != 2:
        problems.append(f"{len(films)} films of 2 episodes")
    script = Path(__file__).with_name("lerobot_runs.py")
    done = subprocess.run(
        [JUDGE.python, "-P", script],
        check=True, env=environment, stdout=subprocess.PIPE, text=True, cwd=folder,
    )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    return {"problems": [*problems, *told.pop("problems")], "evaluated": found["n_episodes"]} | told


def main() -> int:
    """Returns 0 where LeRobot runs our environments as we do."""
    return JUDGE.verdict(judged, lambda found: not found["problems"])


if __name__ == "__main__":
    sys.exit(main())
