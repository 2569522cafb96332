"""The reader of sentences from its files: a pretrained language model, and the adapter trained here."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from palme.model_folders import ADAPTER
from palme.models.pretrained.cache import is_ready
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
            raise found.with_traceback(None)  # which would keep the pictures of every caller
        return found

    def _once(self, sentence: str) -> Reading | NotRead:
        try:
            return self._reader.read(sentence)
        except NotRead as error:
            return error.with_traceback(None)


def is_there(model: str, weights: Path | None = None, in_context: bool = False) -> bool:
    """Whether a model is there, and the adapter that it reads with, if it does."""
    alone = in_context and weights is None
    return (is_ready(model) or Path(model).is_dir()) and (alone or ((weights or WEIGHTS) / ADAPTER).is_file())
