"""A reader of sentences from its settings."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from palme.cli.errors import UsageError
from palme.cli.settings.reader import LocalReaderSettings, ReaderSettings

if TYPE_CHECKING:
    from palme.planners.program.reader import ProgramReader, Reader


@lru_cache(maxsize=1)
def build_reader(settings: ReaderSettings) -> Reader:
    """The reader, the same one for every caller; with `checks`, it acts on what it is sure of.

    Raises:
        UsageError: the model is not there, or the endpoint is not allowed.
        WeightsError: model or adapter are missing, damaged, or not of each other.
    """
    from palme.planners.program.agreement.sure_reader import SureReader
    from palme.planners.program.load import RememberingReader

    plain = plain_reader(settings)
    return RememberingReader(SureReader(plain, settings.threshold) if settings.checks else plain)


def plain_reader(settings: ReaderSettings) -> Reader:
    """The model alone, without checks and memory. Raises as `build_reader`."""
    from palme.planners.program.endpoint import BadEndpoint, Endpoint, EndpointReader

    if settings.endpoint is None:
        return own_reader(settings)
    try:
        return EndpointReader(Endpoint(settings.endpoint, settings.model))
    except BadEndpoint as error:
        raise UsageError(str(error)) from error


def own_reader(settings: LocalReaderSettings) -> ProgramReader:
    """The model on this machine alone. Raises as `build_reader`."""
    from palme.models.pretrained.cache import NotSetUp
    from palme.planners.program.load import WEIGHTS
    from palme.planners.program.local_reader import local_reader

    weights = settings.weights or (None if settings.in_context else WEIGHTS)
    precision = None if settings.precision == "auto" else settings.precision
    try:
        return local_reader(settings.model, weights, precision, settings.in_context)
    except (NotSetUp, FileNotFoundError) as error:
        raise UsageError(str(error)) from error
