"""Reading: any frame of a LeRobotDataset v3.0, ours or another's, in any order.

    dataset = Dataset("out/recorded")
    frame = dataset[1234]                  # numbers, texts and pictures of one instant
    episode = dataset.episode(7)           # all its numbers as arrays, its pictures one by one

Numbers of a file are read when first asked for and kept; pictures are decoded on demand (see `decoder`).
What info.json does not count is not looked at, so a data set can be read while it is being recorded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from palme.data import layout
from palme.data.decoder import CACHE_MB, Pictures
from palme.data.episode_index import Entry, read_entries, read_info, read_texts
from palme.data.errors import DamagedDatasetError, EpisodeNotFoundError
from palme.data.files import read_table
from palme.data.schema import arrow_schema, video_keys
from palme.data.sidecar import Sidecar, read_sidecars


@dataclass(frozen=True)
class Frame:
    """One instant.

    Attributes:
        index, episode_index, frame_index: its number in the data set, of its episode, and in that.
        timestamp: nominal, in [s] since the episode began.
        task, step: the sentence, and the step of the plan ("" where there is none, or none was recorded).
        numbers: by feature, (D,) or a scalar.
        images: by camera, uint8 (H, W, 3), read-only.
    """

    index: int
    episode_index: int
    frame_index: int
    timestamp: float
    task: str
    step: str
    numbers: Mapping[str, Any] = field(repr=False)
    images: Mapping[str, NDArray[np.uint8]] = field(repr=False)

    @property
    def state(self) -> NDArray[np.float32]:
        return self.numbers["observation.state"]

    @property
    def action(self) -> NDArray[np.float32]:
        """What was sent."""
        return self.numbers["action"]


class Dataset:
    """A data set for reading.

    Args:
        root: the folder.
        cache_mb: of decoded pictures that are kept.

    Attributes:
        fps, features: as info.json has them.
        entries: the episodes, in order.
        tasks, steps: texts by number.

    Raises:
        NotADatasetError, DamagedDatasetError.
    """

    def __init__(self, root: Path | str, cache_mb: int = CACHE_MB) -> None:
        self.root = Path(root)
        self.info = read_info(self.root)
        self.features: Mapping[str, Any] = self.info["features"]
        self.fps: float = self.info["fps"]
        counted = int(self.info["total_episodes"])
        self.entries: list[Entry] = read_entries(self.root, self.features)[:counted]
        if len(self.entries) < counted:
            raise DamagedDatasetError(
                f"{self.root}: info.json counts {counted} episodes, meta/episodes lists {len(self.entries)}; "
                f"`palme data repair {self.root}`"
            )
        self.tasks = read_texts(self.root / layout.TASKS, "task") if counted else []
        steps = self.root / layout.SUBTASKS
        self.steps = read_texts(steps, "subtask") if steps.exists() else []
        self.video_keys = video_keys(self.features)
        self._names = [field.name for field in arrow_schema(self.features)]
        self._starts = [entry.start for entry in self.entries]
        self._columns: dict[int, dict[str, NDArray]] = {}
        self.pictures = Pictures(self.fps, cache_mb)

    def __len__(self) -> int:
        return self.entries[-1].stop if self.entries else 0

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras."""
        return tuple(key.removeprefix(layout.PICTURE) for key in self.video_keys)

    def __getitem__(self, index: int) -> Frame:
        """Frame `index` of the whole. Raises IndexError, DamagedDatasetError."""
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        entry = self.entries[bisect_right(self._starts, index) - 1]
        return self._frame(entry, index - entry.start)

    def episode(self, number: int) -> Episode:
        """Episode `number`, counted from 0. Raises EpisodeNotFoundError."""
        if not 0 <= number < len(self.entries):
            there = f"0 to {len(self.entries) - 1}" if self.entries else "none yet"
            raise EpisodeNotFoundError(f"{self.root}: no episode {number}; there are {there}")
        return Episode(self, self.entries[number])

    def episodes(self) -> Iterator[Episode]:
        """All of them, in order."""
        return (Episode(self, entry) for entry in self.entries)

    def columns(self, entry: Entry) -> dict[str, NDArray]:
        """An episode's numbers by feature, (T,) or (T, D). Raises DamagedDatasetError."""
        file = self._file(entry)
        at = entry.start - int(file["index"][0])
        if not (0 <= at and at + entry.length <= len(file["index"])):
            raise DamagedDatasetError(
                f"{self.root / layout.path_of(layout.DATA, entry.data)}: frames {entry.start} to "
                f"{entry.stop - 1} of episode {entry.episode} are not in it; `palme data check {self.root}`"
            )
        return {name: values[at : at + entry.length] for name, values in file.items()}

    def image(self, entry: Entry, key: str, frame: int) -> NDArray[np.uint8]:
        """One camera's picture at a frame of an episode, uint8 (H, W, 3). Raises DamagedDatasetError."""
        clip = entry.clips[key]
        return self.pictures.get(self.video(entry, key), round(clip.start * self.fps) + frame)

    def video(self, entry: Entry, key: str) -> Path:
        """The file that holds an episode's pictures of one camera."""
        return self.root / layout.path_of(layout.VIDEO, entry.clips[key].file, key)

    def close(self) -> None:
        """Give the open files back."""
        self.pictures.close()

    def _frame(self, entry: Entry, frame: int) -> Frame:
        file = self._file(entry)
        at = entry.start + frame - int(file["index"][0])
        if not 0 <= at < len(file["index"]):
            self.columns(entry)  # says what is wrong
        numbers = {name: file[name][at] for name in self._names}
        step = numbers.get("subtask_index")
        return Frame(
            entry.start + frame,
            entry.episode,
            frame,
            float(numbers["timestamp"]),
            self.tasks[int(numbers["task_index"])],
            "" if step is None or not self.steps else self.steps[int(step)],
            numbers,
            {key.removeprefix(layout.PICTURE): self.image(entry, key, frame) for key in self.video_keys},
        )

    def _file(self, entry: Entry) -> dict[str, NDArray]:
        if entry.data not in self._columns:
            path = self.root / layout.path_of(layout.DATA, entry.data)
            table = read_table(path)
            if missing := [name for name in self._names if name not in table.column_names]:
                raise DamagedDatasetError(f"{path}: column {missing[0]!r} of info.json is missing")
            if not len(table):
                raise DamagedDatasetError(f"{path}: holds no row")
            self._columns[entry.data] = {name: _array(table[name]) for name in self._names}
        return self._columns[entry.data]


@dataclass(frozen=True)
class Episode:
    """One episode of a data set."""

    dataset: Dataset
    entry: Entry

    def __len__(self) -> int:
        return self.entry.length

    def __getitem__(self, frame: int) -> Frame:
        if not 0 <= frame < len(self):
            raise IndexError(f"frame {frame} of {len(self)} in episode {self.entry.episode}")
        return self.dataset._frame(self.entry, frame)

    @property
    def task(self) -> str:
        return self.entry.tasks[0] if self.entry.tasks else ""

    @property
    def numbers(self) -> dict[str, NDArray]:
        """By feature, (T,) or (T, D)."""
        return self.dataset.columns(self.entry)

    @property
    def steps(self) -> list[str]:
        """(T,) the step text of each frame."""
        index = self.numbers.get("subtask_index")
        texts = self.dataset.steps
        return [""] * len(self) if index is None or not texts else [texts[int(i)] for i in index]

    def images(self, camera: str) -> Iterator[NDArray[np.uint8]]:
        """One camera's pictures in turn."""
        for frame in range(len(self)):
            yield self.dataset.image(self.entry, layout.PICTURE + camera, frame)

    @property
    def sidecar(self) -> Sidecar | None:
        """How it was recorded, what was said, the exact commands; None where another stack recorded it."""
        number = self.entry.episode
        return read_sidecars(self.dataset.root, number, self.entry.data).get(number)


def _array(column: pa.ChunkedArray) -> NDArray:
    whole = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    kind = whole.type
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind):
        flat = whole.flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(len(whole), -1)
    return whole.to_numpy(zero_copy_only=False)
