"""`palme eval`: success per task over seeds, with controls, as numbers and as a page."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError, reason
from palme.cli.exit_codes import exit_code
from palme.cli.settings.run import EvalConfig
from palme.cli.signals import held
from robots.errors import RobotError

if TYPE_CHECKING:
    from palme.cli.evaluation.episode import EpisodeResult, EpisodeSpec


def main(arguments: Sequence[str]) -> int:
    """Evaluate, write results.json and report.html. Returns 0.

    1 where the arm is gone, 128 + n after signal n; what was played until then is written.
    """
    for word in arguments:
        if not is_override(word):
            raise UsageError(f"{word!r}: expected key=value; see `palme eval --help`")
    config = load(EvalConfig, arguments)
    specs = _specs(config)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)

    from palme.cli.evaluation.workers import play

    results: list[EpisodeResult] = []
    code, gone = 0, ""
    with _bar(len(specs)) as bar, held("saving the episode"):
        try:
            for result in play(config, specs):
                results.append(result)
                bar.update(1)
                bar.set_postfix_str(_score(results), refresh=False)
        except KeyboardInterrupt:
            code = exit_code(False, stopped=True)
        except RobotError as error:  # the arm is gone: what was played until then counts
            code, gone = 1, f"{type(error).__name__}: {error}"
    if gone:
        print(f"palme eval: {len(results)} of {len(specs)} episodes: {gone}", file=sys.stderr)
        if not results:  # it never began, and what an earlier one wrote stays
            return code
    with held("writing the results"):
        _write(out, config, results, finished=code == 0)
    if lost := next((result.not_recorded for result in results if result.not_recorded), ""):
        print(f"palme eval: not every episode was recorded: {lost}", file=sys.stderr)
        return exit_code(True, recorded=False)
    return code


def _write(out: Path, config: EvalConfig, results: list[EpisodeResult], finished: bool) -> None:
    from palme.cli.evaluation.results import summary
    from palme.report.eval_page import eval_page
    from palme.report.results import EvalResults

    settings = {
        "seed": config.seed, "episodes": config.episodes, "split": config.split,
        "distractors": config.distractors, "robot": config.robot.name, "planner": config.planner.name,
        "policy": config.policy.name, "phrasings": config.phrasings, "workers": config.workers,
        "complete": finished,
    }  # fmt: skip
    results.sort(key=lambda r: (r.spec.control, r.spec.family, r.spec.index))
    content = summary(results, config.tasks, settings)
    (out / "results.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (out / "report.html").write_text(eval_page(EvalResults.from_json(content)), encoding="utf-8")
    for name, row in content["tasks"].items():
        low, high = row["wilson95"]
        print(f"{name:<14} {row['success_at_end']:>4} of {row['episodes']:<4} 95 % [{low:.3f}, {high:.3f}]")
    for control, tasks in content.get("controls", {}).items():
        for name, row in tasks.items():
            print(f"  {control:<10} {name:<14} {row['success_at_end']:>4} of {row['episodes']}")
    print(f"{out / 'results.json'}\n{out / 'report.html'}")


def _specs(config: EvalConfig) -> list[EpisodeSpec]:
    """Every episode to play, controls after the real ones."""
    from palme.cli.evaluation.episode import CONTROLS, EpisodeSpec

    templates = _templates(config.phrasings)
    return [
        EpisodeSpec(
            family, index, config.seed, config.split, control, templates.get(family, ()), config.distractors
        )
        for control in ("", *(CONTROLS if config.controls else ()))
        for family in config.tasks
        for index in range(config.episodes)
    ]


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


def _bar(total: int) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, unit="episode", file=sys.stderr, dynamic_ncols=True, mininterval=0.3)
