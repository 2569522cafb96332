"""`palme bench corrections`: what fifty corrected episodes of a disturbed scene teach the chunk policy.

The front camera was knocked since it was calibrated. The policy is tried on fixed seeds before; then it works
on other seeds with a simulated person beside it, it learns from what was recorded, and it is tried again.
What is finished is kept in OUT, so that an interrupted run goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.errors import UsageError
from palme.cli.rig.build import Rig, build_rig
from palme.cli.settings.bench import CorrectionsConfig
from palme.cli.settings.run import RigConfig
from palme.cli.signals import leave_to_parent
from palme.report.stats import newcombe_paired, wilson
from robots.files import write_text, write_texts

SCHEMA = "palme-corrections/1"
_rig: Rig | None = None
_blanked = False


def bench_corrections(config: CorrectionsConfig, bar: Bar) -> dict[str, Any]:
    """Everything, into `config.out`. Returns the content of results.json.

    Raises:
        UsageError: a number makes no sense, or there is nothing to correct.
    """
    from palme.cli.version import commit
    from palme.policies.chunk import WEIGHTS
    from palme.report.corrections_page import corrections_page
    from palme.report.results import CorrectionResults

    out = config.out
    out.mkdir(parents=True, exist_ok=True)
    shipped = config.chunk.weights or WEIGHTS
    trials = _Trials(config, out, bar)
    found = {
        "before": trials("before", shipped),
        "undisturbed, before": trials("undisturbed, before", shipped, False),
    }
    collected = _collected(config, out, bar)
    alone = _alone(config, out, bar, collected["episodes"])
    _demonstrations(config, out)
    training = _trained(config, out, shipped, bar)
    taught, own = (out / name / "chunk.safetensors" for name in ("taught", "own"))
    found["after"] = trials("after", taught)
    found["own episodes alone"] = trials("own episodes alone", own)
    found["pictures blanked"] = trials("pictures blanked", taught, blanked=True)
    found["head alone"] = trials("head alone", taught, corrected=False)
    found["undisturbed, head alone"] = trials("undisturbed, head alone", taught, False, corrected=False)
    found["undisturbed, with the correction"] = trials("undisturbed, with the correction", taught, False)
    settings = {
        "episodes": config.episodes, "seed": config.seed, "corrected": config.corrected,
        "motions": config.motions, "steps": config.steps, "lr": config.lr,
        "recorded_share": config.recorded_share, "correction_weight": config.correction_weight,
        "knock": asdict(config.camera)["knock"],
    }  # fmt: skip
    content: dict[str, Any] = {
        "schema": SCHEMA, "commit": commit(), "settings": settings, "collected": collected, "alone": alone,
        "training": training, "trials": {name: _counted(won) for name, won in found.items()},
        "gain": _gain(found["after"], found["before"]),
        "gain_without_corrections": _gain(found["own episodes alone"], found["before"]),
        "undisturbed_gain": _gain(found["undisturbed, head alone"], found["undisturbed, before"]),
    }  # fmt: skip
    page = corrections_page(CorrectionResults.from_json(content))
    write_texts({out / "results.json": json.dumps(content, indent=1) + "\n", out / "report.html": page})
    for name, row in content["trials"].items():
        low, high = row["wilson95"]
        print(f"{name:<34} {row['success']:>4} of {row['episodes']:<4} 95 % [{low:.3f}, {high:.3f}]")
    gain = content["gain"]
    low, high = gain["interval95"]
    print(
        f"{'gain, paired':<34} {100 * gain['gain']:+.1f} points, 95 % [{100 * low:+.1f}, {100 * high:+.1f}]"
    )
    print(f"{out / 'results.json'}\n{out / 'report.html'}")
    return content


# -- the parts ----------------------------------------------------------------------------------------


class _Trials:
    """Plays the same steps under different conditions; finished trials are kept and not played again."""

    def __init__(self, config: CorrectionsConfig, out: Path, bar: Bar) -> None:
        self._config, self._out, self._bar = config, out, bar

    def __call__(
        self, name: str, weights: Path, disturbed: bool = True, corrected: bool = True, blanked: bool = False
    ) -> list[bool]:
        """Whether each step succeeded, in the order of the seeds."""
        config = self._config
        camera = config.camera if disturbed else replace(config.camera, knock=None)
        policy = replace(config.chunk, weights=weights, corrected=corrected)
        setting: RigConfig = RigConfig(
            robot=config.robot, planner=config.planner, policy=policy, detector=config.detector, camera=camera
        )
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        same = {"camera": asdict(camera), "corrected": corrected, "blanked": blanked, "weights": digest,
                "seed": config.seed, "episodes": config.episodes}  # fmt: skip
        path = self._out / "trials" / f"{name.replace(', ', '-').replace(' ', '_')}.json"
        if (kept := _kept(path, same)) is not None:
            return kept
        seeds = range(config.seed, config.seed + config.episodes)
        won: dict[int, bool] = {}
        with self._bar(name, len(seeds)) as bar:
            for seed, success in _played(setting, blanked, list(seeds), config.workers):
                won[seed] = success
                bar.update(1)
                bar.set_postfix_str(f"{sum(won.values())} of {len(won)} achieved", refresh=False)
        in_order = [won[seed] for seed in seeds]
        _keep(path, same, in_order)
        return in_order


def _played(config: RigConfig, blanked: bool, seeds: list[int], workers: int) -> Any:
    import multiprocessing

    context = multiprocessing.get_context("spawn")  # PyBullet and torch do not survive a fork
    with context.Pool(min(workers, len(seeds)), _start, (config, blanked)) as pool:
        yield from pool.imap_unordered(_play, seeds)


def _start(config: RigConfig, blanked: bool) -> None:
    global _rig, _blanked
    import torch

    leave_to_parent()
    torch.set_num_threads(1)
    _rig, _blanked = build_rig(config), blanked


def _play(seed: int) -> tuple[int, bool]:
    from palme.cli.evaluation.single_steps import run_step

    if _rig is None:
        raise RuntimeError("no rig in this process: call _start first")
    return seed, run_step(_rig, seed, blanked=_blanked).success


def _collected(config: CorrectionsConfig, out: Path, bar: Bar) -> dict[str, Any]:
    """The recorded data set, where it is not there yet, and what came of its episodes."""
    from palme.cli.evaluation.corrections import collect_corrections

    def collect(data: Path) -> list[Any]:
        with bar("corrected episodes", config.corrected) as shown:
            return collect_corrections(config, data, lambda episode: shown.update(episode.corrected))

    return _data_set(config, out / "episodes", config.corrected, collect)


def _alone(config: CorrectionsConfig, out: Path, bar: Bar, episodes: int) -> dict[str, Any]:
    """For the control: as many episodes of the same steps, with nobody who takes over."""
    from palme.cli.evaluation.corrections import collect_alone

    def collect(data: Path) -> list[Any]:
        with bar("episodes without a person", episodes) as shown:
            return collect_alone(config, data, episodes, lambda episode: shown.update(1))

    return _data_set(config, out / "alone", episodes, collect)


def _data_set(
    config: CorrectionsConfig, data: Path, n: int, collect: Callable[[Path], list[Any]]
) -> dict[str, Any]:
    import shutil

    import torch

    torch.set_num_threads(1)
    same = {"camera": asdict(config.camera), "corrected": n, "seed": config.seed}
    path = data.with_name({"episodes": "collected"}.get(data.name, data.name) + ".json")
    if (kept := _kept(path, same)) is not None and data.exists():
        return kept
    shutil.rmtree(data, ignore_errors=True)  # of a run that broke off, or of other settings
    found = collect(data)
    corrected = [episode for episode in found if episode.corrected]
    told = {
        "episodes": len(found), "corrected": len(corrected),
        "achieved_by_hand": sum(episode.achieved for episode in corrected),
        "achieved_alone": sum(episode.achieved for episode in found if not episode.corrected),
    }  # fmt: skip
    _keep(path, same, told)
    return told


def _demonstrations(config: CorrectionsConfig, out: Path) -> None:
    from sim.data.demonstrations import write_demonstrations

    path = out / "demos" / f"seed042-{config.motions}.npz"
    if not path.exists():
        write_demonstrations(path, config.motions, 42)


def _trained(config: CorrectionsConfig, out: Path, start: Path, bar: Bar) -> dict[str, Any]:
    """With the corrections, and as a control from episodes without any; figures of both."""
    import multiprocessing

    common = {
        "steps": config.steps, "lr": config.lr, "recorded_share": config.recorded_share,
        "arm": config.robot.name, "start": str(start), "camera": config.detector.camera,
        "warmup": min(100, config.steps), "correction_weight": config.correction_weight,
    }  # fmt: skip
    jobs = {
        name: common | {"out": str(out / name), "data": [str(out / "demos"), str(out / data)]}
        for name, data in (("taught", "episodes"), ("own", "alone"))
    }
    recorded = [(out / f"{name}.json").read_text(encoding="utf-8") for name in ("collected", "alone")]
    same = {**jobs, "weights": hashlib.sha256(start.read_bytes()).hexdigest(), "recorded": recorded}
    path = out / "trained.json"
    if (kept := _kept(path, same)) is not None:
        return kept
    figures: dict[str, Any] = {}
    context = multiprocessing.get_context("spawn")
    with bar("training", len(jobs)) as shown, context.Pool(min(config.workers, len(jobs))) as pool:
        for name, found in pool.imap_unordered(_train, jobs.items()):
            figures[name] = found
            shown.update(1)
    _keep(path, same, figures)
    return figures


def _train(job: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """What it prints goes to OUT/NAME/log.txt."""
    from palme.data.errors import DataError, TrainingDataError
    from palme.training.datasets.recorded_motions import load_recorded_motions
    from palme.training.recipes.chunk_policy import ChunkPolicyTraining
    from palme.training.resources import Resources
    from palme.training.trainer import Trainer
    from robots.motion.arm_motion import ArmMotion
    from robots.spec import ArmSpec

    name, settings = job
    c, motion = ChunkPolicyTraining(**settings), ArmMotion(ArmSpec.load(settings["arm"]))
    Path(c.out).mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {"offsets": [], "why_no_correction": ""}
    try:
        recordings = load_recorded_motions(
            [Path(settings["data"][1])], motion, c.arm, c.camera, c.correction_weight
        )
        figures |= {
            "base_from_told": recordings.correction.base_from_told.tolist(),
            "offsets": _offsets(recordings),
        }
    except TrainingDataError as error:
        if name == "taught":
            raise UsageError(str(error)) from error
        figures["why_no_correction"] = str(error)  # the policy alone did too little: demonstrations are left
        c.data = settings["data"][:1]
    try:
        with (Path(c.out) / "log.txt").open("w", encoding="utf-8") as log, redirect_stdout(log):
            figures |= Trainer(c, Resources(motion=lambda _: motion)).fit()
    except DataError as error:
        raise UsageError(str(error)) from error
    return name, figures


def _offsets(recordings: Any) -> list[list[float]]:
    """For the page: where things that a person grasped were seen, where by the correction, and where they
    were: (x, y) each in [m]."""
    from palme.training.datasets.camera_correction import moved

    rows = []
    for move in recordings.moves:
        if move.seen_pick is not None and move.picked_by_person:
            better = moved(recordings.correction.base_from_told, move.seen_pick[None])[0]
            rows.append([round(float(x), 4) for p in (move.seen_pick, better, move.pick) for x in p[:2]])
    return rows


# -- figures ------------------------------------------------------------------------------------------


def _counted(won: list[bool]) -> dict[str, Any]:
    low, high = wilson(sum(won), len(won))
    return {
        "episodes": len(won),
        "success": sum(won),
        "wilson95": [round(low, 4), round(high, 4)],
        "won": won,
    }


def _gain(after: list[bool], before: list[bool]) -> dict[str, Any]:
    """Paired by seed."""
    pairs = list(zip(after, before, strict=True))
    both, gained = pairs.count((True, True)), pairs.count((True, False))
    lost, neither = pairs.count((False, True)), pairs.count((False, False))
    low, high = newcombe_paired(both, gained, lost, neither)
    return {
        "gain": (gained - lost) / len(pairs), "interval95": [round(low, 4), round(high, 4)],
        "both": both, "gained": gained, "lost": lost, "neither": neither,
    }  # fmt: skip


def _kept(path: Path, same: Any) -> Any:
    """What `_keep` wrote, if it was under the same settings; else None."""
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return content["found"] if content["settings"] == json.loads(json.dumps(same)) else None


def _keep(path: Path, same: Any, found: Any) -> None:
    write_text(path, json.dumps({"settings": same, "found": found}) + "\n")


def _has_failed(figures: Figures) -> bool:
    return not figures["gain"]["interval95"][0] > 0


BENCH = Bench(CorrectionsConfig, bench_corrections, _has_failed, lambda figures: None)
