"""`palme view PATH episode=N`: an episode as a film, and as a file for the Rerun viewer."""

from __future__ import annotations

from collections.abc import Sequence

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError
from palme.cli.out_lock import locked
from palme.cli.settings.data import ViewConfig
from palme.data.errors import DataError
from robots.files import replacing

INSTALL = "rerun=true needs rerun-sdk: pip install 'palme-stack[view]'"


def main(arguments: Sequence[str]) -> int:
    """Returns 0."""
    from palme.cli.progress import Progress
    from palme.data.reader import Dataset
    from palme.report import rerun_log
    from palme.report.episode_film import episode_film

    paths = [word for word in arguments if not is_override(word)]
    config = load(ViewConfig, [word for word in arguments if is_override(word)])
    if len(paths) != 1:
        raise UsageError("expected one PATH: palme view PATH episode=0")
    wanted = rerun_log.installed() if config.rerun is None else config.rerun
    if wanted and not rerun_log.installed():
        raise UsageError(INSTALL)
    try:
        episode = Dataset(paths[0]).episode(config.episode)
        if not episode.dataset.cameras:
            raise UsageError(f"{paths[0]}: the data set has no camera; record one with cameras")
        out = config.out
        with locked(out), Progress("film", (1 + wanted) * len(episode), "frame") as bar:
            with replacing(out / "video.mp4") as film:
                episode_film(film, episode, config.height, bar.update)
            if wanted:
                with replacing(out / "episode.rrd") as file:
                    rerun_log.episode_rrd(file, episode, bar.update)
    except DataError as error:
        raise UsageError(str(error)) from error
    print(out / "video.mp4")
    print(out / "episode.rrd" if wanted else f"no Rerun file: {INSTALL}")
    return 0
