"""A reader of sentences from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palme.cli.errors import UsageError
from palme.cli.settings.run import ReaderConfig

if TYPE_CHECKING:
    from palme.planners.program.reader import ProgramReader


def build_reader(config: ReaderConfig) -> ProgramReader:
    """Raises UsageError where the model or the adapter is missing or damaged."""
    from palme.models.pretrained.cache import NotSetUp
    from palme.models.pretrained.load import pretrained, with_adapter
    from palme.planners.program.reader import ProgramReader, TorchRuntime
    from palme.weight_files import WeightsError

    try:
        model, tokenizer = pretrained(config.model)
        if config.adapter is not None:
            model = with_adapter(model, config.adapter)
    except (NotSetUp, WeightsError, FileNotFoundError) as error:
        raise UsageError(str(error)) from error
    return ProgramReader(TorchRuntime(model), tokenizer)
