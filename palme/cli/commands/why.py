"""`palme why DIR step=N`: the chain of one step of a run, from the sentence to the commands it sent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from palme.cli.config import is_override, load
from palme.cli.errors import UsageError
from palme.cli.settings.data import WhyConfig
from robots.files import write_texts


def main(arguments: Sequence[str]) -> int:
    """Print the chain, and write it as a page beside the run. Returns 0."""
    from palme.report.chain import NoChain, read_chain
    from palme.report.why_page import why_page

    paths = [word for word in arguments if not is_override(word)]
    config = load(WhyConfig, [word for word in arguments if is_override(word)])
    if len(paths) != 1:
        raise UsageError("expected one DIR, the folder of a run: palme why out/run step=1")
    try:
        chain = read_chain(Path(paths[0]), config.step)
    except NoChain as error:
        raise UsageError(str(error)) from error
    file = chain.folder / f"why-{config.step}.html"
    write_texts({file: why_page(chain)})
    print(chain.text)
    print(file)
    return 0
