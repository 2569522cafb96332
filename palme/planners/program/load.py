"""The reader of sentences from its files: a pretrained language model, and the adapter trained here."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from palme.model_folders import ADAPTER
from palme.models.pretrained.cache import is_ready
from palme.planners.program.agreement.sure_reader import SureReader
from palme.planners.program.reader import NotRead, Reader, Reading

WEIGHTS = Path(__file__).parent.parent.parent / "weights" / "programs"


class RememberingReader:
    """A `Reader` that reads each sentence once, whether it is understood or not.

    Args:
        reader: that is asked for what was not read yet.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._found = lru_cache(maxsize=64)(self._once)

    def read(self, sentence: str) -> Reading:
        """See `Reader`."""
        found = self._found(sentence)
        if isinstance(found, NotRead):
            raise found
        return found

    def _once(self, sentence: str) -> Reading | NotRead:
        try:
            return self._reader.read(sentence)
        except NotRead as error:
            return error


def is_there(model: str, weights: Path | None = None) -> bool:
    """Whether `load_reader` would find a model and an adapter."""
    return (is_ready(model) or Path(model).is_dir()) and ((weights or WEIGHTS) / ADAPTER).is_file()


@lru_cache(maxsize=1)
def load_reader(model: str, weights: Path | None = None, threshold: float | None = None) -> Reader:
    """The reader, which acts on what it is sure of; the same one for every caller.

    Args:
        model: in the cache, as `palme setup language` leaves it, or a folder.
        weights: folder of the adapter; None = the shipped one.
        threshold: least confidence of what is acted on, in [0, 1]; None = as calibrated.

    Raises:
        palme.models.pretrained.cache.NotSetUp: the model is not there.
        palme.weight_files.WeightsError: the adapter is missing, damaged, or of another model.
    """
    from palme.planners.program.local_reader import local_reader

    return RememberingReader(SureReader(local_reader(model, weights or WEIGHTS), threshold))
