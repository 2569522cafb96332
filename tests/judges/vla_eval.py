"""vla-eval's own harness judges our agent on our environments: it counts what `palme eval` counts.

    python -m tests.judges.vla_eval            # builds out/judges/vla-eval once, then judges
    python -m tests.judges.vla_eval 3 planner=readout   # episodes a family; settings of planner and policy

The benchmark (sim/vla_eval_palme) and the harness run in the judge's environment, planner and policy behind
our own server of vla-eval's protocol. Three things are judged: each episode ends as in `palme eval` with the
same seed; no episode has an error; and a model of vla-eval's own, which does not move, achieves nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.judges.judge import ROOT, Judge

PLUGIN = ROOT / "sim" / "vla_eval_palme"
EPISODES = 20  # a family
SEED = 1000
FAMILIES = ("put_in_bowl", "stack_tower", "match_bowls")
PALME = (sys.executable, "-m", "palme.cli.main")


def _python311() -> str:
    python = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    if python is None:
        raise SystemExit("this judge needs Python 3.11, the newest that PyBullet has wheels for")
    return python


JUDGE = Judge("vla-eval", ("vla-eval==0.8.0",), ("-e", f"{ROOT}[sim]", "-e", str(PLUGIN)), _python311)


def judged(
    folder: Path,
    episodes: int = EPISODES,
    settings: Sequence[str] = (),
    families: Sequence[str] = FAMILIES,
) -> dict[str, Any]:
    """What vla-eval makes of us: figures by name, `problems` first of all.

    Args:
        folder: for files; empty.
        episodes: of each family.
        settings: of planner and policy, as on the command line of `palme eval`.
        families: names of tasks.

    Raises:
        CalledProcessError: with the words of the one that fails on standard error.
    """
    if not any(word.startswith("planner=") for word in settings):
        settings = ("planner=palme", *settings)
    ours = _ours(folder / "eval", episodes, settings, families)
    theirs, still = _theirs(folder, episodes, settings, families)
    problems = []
    for task in theirs["tasks"]:
        family = task["task"]
        for episode in task["episodes"]:
            index, metrics = episode["episode_id"], episode["metrics"]
            if episode.get("failure_reason"):
                problems.append(f"{family} {index}: {episode['failure_reason']}: {episode['failure_detail']}")
            elif metrics["success"] != ours[family][index]:
                problems.append(
                    f"{family} {index}: success {metrics['success']}, ours {ours[family][index]} "
                    f"({metrics.get('reason')})"
                )
    if still["mean_success"] != 0.0 or still.get("num_errors"):
        problems.append(f"a model that does not move: {still['tasks']}")
    figures = {}
    for task in theirs["tasks"]:
        count = f"{_count(task)}, ours {sum(ours[task['task']].values())}"
        figures[f"{task['task']}, of {task['num_episodes']}"] = count
    return {"problems": problems, **figures, "protocol": theirs["server_info"]["protocol_version"]}


def _count(task: dict[str, Any]) -> int:
    return sum(bool(episode["metrics"]["success"]) for episode in task["episodes"])


def _ours(
    out: Path, episodes: int, settings: Sequence[str], families: Sequence[str]
) -> dict[str, dict[int, bool]]:
    """Success by family and index, as `palme eval` finds it. One camera, as the server has."""
    command = [
        *PALME, "eval", f"tasks=[{','.join(families)}]", f"episodes={episodes}", f"seed={SEED}",
        "camera.names=[front]", "counterfactual=0", f"out={out}", *settings,
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    tasks = json.loads((out / "results.json").read_text())["tasks"]
    failed = {family: {row["index"] for row in tasks[family]["failures"]} for family in families}
    return {family: {i: i not in failed[family] for i in range(episodes)} for family in families}


def _theirs(folder: Path, episodes: int, settings: Sequence[str], families: Sequence[str]) -> tuple:
    """What the harness finds of our server, and of a model that does not move."""
    command = [*PALME, "serve", "protocol=vla-eval", "address=127.0.0.1:0", *settings]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()  # "serving palme with keypose to vla-eval at 127.0.0.1:40123; ..."
        address = line.partition(" at ")[2].partition(";")[0]
        if not address:
            raise SystemExit(f"palme serve: {line or 'ended before it served'}")
        found = _run(folder, f"ws://{address}", episodes, families)
        return found, _run(folder, "still", 1, families[:1])
    finally:
        server.terminate()
        server.wait()


def _run(folder: Path, url: str, episodes: int, families: Sequence[str]) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    script = Path(__file__).with_name("vla_eval_runs.py")
    done = subprocess.run(
        [JUDGE.python, "-P", script, url, str(episodes), str(SEED), *families],
        check=True, env=environment, stdout=subprocess.PIPE, text=True, cwd=folder,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])[0]
    return found


def main(arguments: Sequence[str]) -> int:
    """Returns 0 where vla-eval counts what we count."""
    episodes = next((int(word) for word in arguments if word.isdecimal()), EPISODES)
    settings = [word for word in arguments if not word.isdecimal()]
    return JUDGE.verdict(
        lambda folder: judged(folder, episodes, settings), lambda found: not found["problems"]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
