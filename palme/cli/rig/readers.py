"""A reader of sentences from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palme.cli.errors import UsageError
from palme.cli.settings.run import ReaderConfig

if TYPE_CHECKING:
    from palme.planners.program.reader import Reader


def build_reader(config: ReaderConfig) -> Reader:
    """Raises UsageError where the model, the adapter or the endpoint is missing, damaged or not allowed."""
    from palme.models.pretrained.cache import NotSetUp
    from palme.planners.program.agreement.sure_reader import SureReader
    from palme.planners.program.endpoint import BadEndpoint, Endpoint, EndpointReader
    from palme.planners.program.local_reader import local_reader
    from palme.weight_files import WeightsError

    try:
        if config.endpoint is not None:
            reader: Reader = EndpointReader(Endpoint(config.endpoint, config.model))
        else:
            precision = None if config.precision == "auto" else config.precision
            reader = local_reader(config.model, config.adapter, precision, config.in_context)
    except (NotSetUp, WeightsError, BadEndpoint, FileNotFoundError) as error:
        raise UsageError(str(error)) from error
    return SureReader(reader, config.threshold) if config.checks else reader
