"""Small recorded data sets: what the tests of palme/data stand on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from palme.data.encoding import EncoderProcess
from palme.data.inline import InlineEncoder
from palme.data.reader import Dataset
from palme.data.schema import Schema
from palme.data.synthetic import Scenery, record, schema
from palme.data.writer import DatasetWriter

SMALL = schema(48, 64)
BLIND = schema(48, 64, cameras=0)  # no camera, no encoding process: quick


def patient(made: Schema) -> EncoderProcess:
    """An encoding that is waited for: what is tested is not how quick this machine is."""
    return EncoderProcess(made, max_wait=60.0)


def recorded(
    root: Path, episodes: int = 2, frames: int = 12, made: Schema = SMALL, encoding: Any = InlineEncoder
) -> Path:
    """A data set of synthetic episodes."""
    with DatasetWriter(root, made, encoding) as dataset:
        record(dataset, Scenery(made, 0.0), episodes, frames)
    return root


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of three episodes with two cameras that nobody may change."""
    return recorded(tmp_path_factory.mktemp("three") / "data", 3, 24, encoding=patient)


def copied(root: Path, to: Path) -> Path:
    """One to break."""
    import shutil

    shutil.copytree(root, to)
    return to


def count(root: Path) -> int:
    """Episodes that a reader sees."""
    return len(Dataset(root).entries)
