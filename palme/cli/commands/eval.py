"""`palme eval`: success per task over seeds, with controls, as numbers and as a page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError, reason
from palme.cli.evaluation.worker_lost import WorkerLost
from palme.cli.evaluation.writing import RESULTS, chosen_files, write_results
from palme.cli.exit_codes import exit_code
from palme.cli.out_lock import locked
from palme.cli.progress import Progress, duration, plural
from palme.cli.settings.run import EvalConfig
from palme.cli.signals import held
from robots.errors import RobotError

if TYPE_CHECKING:
    from palme.cli.evaluation.episode import EpisodeResult, EpisodeSpec

SHOWN = 20  # instructions that dry_run prints
# [s] an episode on one core with AMX, with the learned planner and policy, measured on 2026-11-29; 2.5 times
# that with AVX2 alone
SECONDS = {"put_in_bowl": 0.9, "stack_tower": 1.7, "match_bowls": 1.9}
SHARE_OF_BASELINES = 0.3  # of that time, where planner and policy read the simulator
START = 6.0  # [s] until the networks are loaded


def main(arguments: Sequence[str]) -> int:
    """Evaluate, write results.json and report.html. Returns 0.

    1 where the arm is gone, 128 + n after signal n. What was played until then is written: over an earlier
    evaluation only if that one was not finished either and had no more episodes, else beside it, as
    results.partial.json and report.partial.html. Without a finished episode nothing is written.
    """
    for word in arguments:
        if not is_override(word):
            raise UsageError(f"{word!r}: expected key=value; see `palme eval --help`")
    config = load(EvalConfig, arguments)
    if config.suite is not None or config.families:
        from palme.cli.evaluation.suite.command import evaluate

        return evaluate(config)
    specs = _specs(config)
    if config.dry_run:
        return _planned_only(config, specs)
    with locked(config.out) as out:
        print(announcement(config, specs), flush=True)
        return _evaluated(out, config, specs)


def _evaluated(out: Path, config: EvalConfig, specs: list[EpisodeSpec]) -> int:
    from palme.cli.evaluation.episode import InstructionMismatch
    from palme.cli.evaluation.workers import play

    results: list[EpisodeResult] = []
    code, ended = 0, ""
    with Progress("eval", len(specs), "episode") as bar, held("saving the episode"):
        try:
            for result in play(config, specs):
                results.append(result)
                bar.set_postfix_str(_score(results), refresh=False)
                bar.update(1)
        except KeyboardInterrupt:
            code, ended = exit_code(False, stopped=True), "stopped"
        except (RobotError, WorkerLost, InstructionMismatch) as error:  # what was played until then counts
            code, ended = exit_code(False), f"{type(error).__name__}: {error}"
    if ended:
        print(f"palme eval: {len(results)} of {len(specs)} episodes: {ended}", file=sys.stderr)
    if results or not ended:
        with held("saving the results"):
            _write(out, config, results, finished=code == 0)
    elif (out / RESULTS).exists():
        print(f"palme eval: no episode was finished, so {out / RESULTS} stays as it was", file=sys.stderr)
    if lost := next((result.not_recorded for result in results if result.not_recorded), ""):
        print(f"palme eval: not every episode was recorded: {lost}", file=sys.stderr)
        return exit_code(True, recorded=False)
    return code


def announcement(config: EvalConfig, specs: Sequence[EpisodeSpec]) -> str:
    """What an evaluation is about to do, where its results go, and about how long it takes."""
    seconds = sum(SECONDS.get(spec.family, max(SECONDS.values())) for spec in specs)
    privileged = config.planner.privileged and config.policy.privileged
    seconds *= SHARE_OF_BASELINES if privileged else 1.0
    workers = min(config.workers, len(specs))
    time = duration(seconds / workers + START)
    again = sum(bool(spec.control) for spec in specs)
    controls = f", and {again} of controls" if again else ""
    who = f"planner={config.planner.name} policy={config.policy.name} robot={config.robot.name}"
    return (
        f"{plural(len(specs), 'episode')}: {config.episodes} of each of {', '.join(config.tasks)}{controls}; "
        f"{who} seed={config.seed}\n"
        f"{plural(workers, 'worker')}; results go to {config.out}; about {time} "
        f"at {seconds / len(specs):.1f} s an episode on a fast core; the lines below tell what is left here"
    )


def _planned_only(config: EvalConfig, specs: Sequence[EpisodeSpec]) -> int:
    """dry_run=true: the instruction of each episode; nothing is played or written."""
    from palme.cli.evaluation.episode import draw

    print(announcement(config, specs))
    shown = [spec for spec in specs if not spec.control]
    for spec in shown[:SHOWN]:
        print(f"  {spec.family} {spec.index}: {draw(spec)[0].instruction}")
    if len(shown) > SHOWN:
        print(f"  and {len(shown) - SHOWN} more")
    if (Path(config.out) / RESULTS).exists():
        print(f"{Path(config.out) / RESULTS} is there and would be replaced")
    print("dry run: nothing was played or written")
    return 0


def _write(out: Path, config: EvalConfig, results: list[EpisodeResult], finished: bool) -> None:
    from palme.cli.evaluation.results import summary
    from palme.report.eval_page import eval_page
    from palme.report.results import EvalResults

    settings = {
        "seed": config.seed, "episodes": config.episodes, "split": config.split,
        "distractors": config.distractors, "robot": config.robot.name, "planner": config.planner.name,
        "policy": config.policy.name, "phrasings": config.phrasings, "workers": config.workers,
        "controls": config.controls, "counterfactual": config.counterfactual, "complete": finished,
    }  # fmt: skip
    results.sort(key=lambda r: (r.spec.control, r.spec.family, r.spec.index))
    content = summary(results, config.tasks, settings)
    files = chosen_files(out, content, finished)
    write_results(files, content, eval_page(EvalResults.from_json(content)))
    for name, row in content["tasks"].items():
        low, high = row["wilson95"]
        print(f"{name:<14} {row['success_at_end']:>4} of {row['episodes']:<4} 95 % [{low:.3f}, {high:.3f}]")
    for control, tasks in content.get("controls", {}).items():
        for name, row in tasks.items():
            print(f"  {control:<10} {name:<14} {row['success_at_end']:>4} of {row['episodes']}")
    for name, row in content.get("follow", {}).items():
        low, high = row["wilson95"]
        print(
            f"  follows    {name:<14} {row['followed']:>4} of {row['pairs']:<4} 95 % [{low:.3f}, {high:.3f}]"
        )
    if failed := {layer: n for layer, n in content["failed_by_layer"].items() if n}:
        print("failed in:", ", ".join(f"{layer} {n}" for layer, n in failed.items()))
    if files[0].name != RESULTS:
        print(f"{out / RESULTS} holds more than this unfinished evaluation and stays as it was")
    print(*files, sep="\n")


def _specs(config: EvalConfig) -> list[EpisodeSpec]:
    """Every episode to play, controls after the real ones."""
    from palme.cli.evaluation.episode import CONTROLS, EpisodeSpec

    templates = _templates(config.phrasings)
    return [
        EpisodeSpec(
            family, index, config.seed, config.split, control, templates.get(family, ()), config.distractors
        )
        for control in ("", *CONTROLS)
        for family in config.tasks
        for index in range(_played(config, control))
    ]


def _played(config: EvalConfig, control: str) -> int:
    """Episodes of each task that are played with this control."""
    from palme.cli.evaluation.episode import COUNTERFACTUAL

    if not control or config.controls:
        return config.episodes
    return min(config.counterfactual, config.episodes) if control in COUNTERFACTUAL else 0


def _templates(path: str | None) -> dict[str, tuple[str, ...]]:
    """Phrasings by family, from the file that replaces the split's own. Raises UsageError."""
    from sim.tasks import BadPhrasing, UnknownTask, load_phrasings

    if path is None:
        return {}
    try:
        return load_phrasings(Path(path))
    except (UnknownTask, BadPhrasing) as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(
            f"phrasings={path}: {reason(error)}; name a YAML file of sentences for each task"
        ) from error


def _score(results: Sequence[EpisodeResult]) -> str:
    real = [r for r in results if not r.spec.control]
    return f"{sum(r.success_at_end for r in real)} of {len(real)} achieved"
