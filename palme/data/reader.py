"""Reads any frame of a LeRobotDataset v3.0, in any order, whoever recorded it.

    dataset = Dataset("out/recorded")
    frame = dataset[1234]                  # numbers, texts and images of one instant
    episode = dataset.episode(7)           # its numbers as arrays, its images one by one

The numbers of a file are read at first use and kept; images are decoded on demand (see `decoder`). A reader
ignores episodes that info.json does not count, so it can read a data set while it is being recorded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from palme.data import layout
from palme.data.columns import is_list
from palme.data.decoder import CACHE_MB, VideoDecoder
from palme.data.episode_index import Entry, read_entries, read_info, read_texts
from palme.data.errors import DamagedDatasetError, EpisodeNotFoundError
from palme.data.files import read_table
from palme.data.schema import Features, arrow_schema, video_keys
from palme.data.sidecar import Sidecar
from palme.data.sidecar_reader import read_sidecars


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        index: its number in the data set.
        episode_index: number of its episode.
        frame_index: its number in the episode.
        timestamp: nominal time since the episode began in [s].
        task: the task sentence.
        step: the step text, "" between steps or if none was recorded.
        numbers: (D,) or scalar values by feature.
        images: uint8 (H, W, 3) by camera, read-only.
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
        """(n_joints + 1,) measured joints in [rad] and gripper opening in [0, 1]."""
        return self.numbers["observation.state"]

    @property
    def action(self) -> NDArray[np.float32]:
        """(n_joints + 1,) the command sent, in the same units."""
        return self.numbers["action"]


class Dataset:
    """A data set opened for reading.

    Attributes:
        root: the folder.
        info: meta/info.json; `features` and `fps` are its entries.
        entries: the episodes, in order.
        tasks, steps: task sentences and step texts by number.
        video_keys: names of the video features.
        videos: decodes the images.
    """

    def __init__(self, root: Path | str, cache_mb: int = CACHE_MB) -> None:
        """Read the index.

        Args:
            root: the folder.
            cache_mb: size of the image cache in [MiB].

        Raises:
            NotADatasetError: there is no data set of this version.
            DamagedDatasetError: a file is missing or truncated.
        """
        self.root = Path(root)
        self.info = read_info(self.root)
        self.features, self.fps = self.info.features, self.info.fps
        counted = self.info.total_episodes
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
        self.videos = VideoDecoder(self.fps, cache_mb)

    def __len__(self) -> int:
        """Number of frames."""
        return self.entries[-1].stop if self.entries else 0

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras."""
        return tuple(key.removeprefix(layout.IMAGE_PREFIX) for key in self.video_keys)

    def __getitem__(self, index: int) -> Frame:
        """Frame `index` of the data set.

        Raises:
            IndexError: there is no such frame.
            DamagedDatasetError: a file is missing or truncated.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        entry = self.entries[bisect_right(self._starts, index) - 1]
        return self._frame(entry, index - entry.start)

    def episode(self, number: int) -> Episode:
        """Episode `number`, counted from 0.

        Raises:
            EpisodeNotFoundError: there is no such episode.
        """
        if not 0 <= number < len(self.entries):
            known = f"0 to {len(self.entries) - 1}" if self.entries else "none"
            raise EpisodeNotFoundError(f"{self.root}: no episode {number}; there are {known}")
        return Episode(self, self.entries[number])

    def episodes(self) -> Iterator[Episode]:
        """All episodes, in order."""
        return (Episode(self, entry) for entry in self.entries)

    def columns(self, entry: Entry) -> dict[str, NDArray]:
        """An episode's numbers by feature, (T,) or (T, D).

        Raises:
            DamagedDatasetError: the data file is missing, truncated, or of other frames.
        """
        file = self._file(entry)
        at = entry.start - int(file["index"][0])
        if not (0 <= at and at + entry.length <= len(file["index"])):
            raise DamagedDatasetError(
                f"{self.root / layout.path_of(layout.DATA, entry.data)}: frames {entry.start} to "
                f"{entry.stop - 1} of episode {entry.episode} are not in it; `palme data check {self.root}`"
            )
        return {name: values[at : at + entry.length] for name, values in file.items()}

    def image(self, entry: Entry, key: str, frame: int) -> NDArray[np.uint8]:
        """One camera's image at a frame of an episode, uint8 (H, W, 3).

        Raises:
            DamagedDatasetError: the video is missing or truncated.
        """
        clip = entry.clips[key]
        return self.videos.get(self.video(entry, key), round(clip.start * self.fps) + frame)

    def video(self, entry: Entry, key: str) -> Path:
        """The file of an episode's images of one camera."""
        return self.root / layout.path_of(layout.VIDEO, entry.clips[key].file, key)

    def close(self) -> None:
        """Close the open files. Idempotent."""
        self.videos.close()

    def _frame(self, entry: Entry, frame: int) -> Frame:
        file = self._file(entry)
        at = entry.start + frame - int(file["index"][0])
        if not 0 <= at < len(file["index"]):
            self.columns(entry)  # raises the error that names the file
        numbers = {name: file[name][at] for name in self._names}
        step = numbers.get("subtask_index")
        return Frame(
            entry.start + frame,
            entry.episode,
            frame,
            float(numbers["timestamp"]),
            self._text(self.tasks, layout.TASKS, int(numbers["task_index"])),
            "" if step is None else self._text(self.steps, layout.SUBTASKS, int(step)),
            numbers,
            {key.removeprefix(layout.IMAGE_PREFIX): self.image(entry, key, frame) for key in self.video_keys},
        )

    def _text(self, texts: list[str], name: str, number: int) -> str:
        if not 0 <= number < len(texts):
            raise DamagedDatasetError(
                f"{self.root / name}: lacks text {number}, which a frame names; "
                f"`palme data check {self.root}`"
            )
        return texts[number]

    def _file(self, entry: Entry) -> dict[str, NDArray]:
        if entry.data not in self._columns:
            path = self.root / layout.path_of(layout.DATA, entry.data)
            table = read_table(path)
            for problem in data_problems(table, self.features):
                raise DamagedDatasetError(f"{path}: {problem}; `palme data check {self.root}`")
            self._columns[entry.data] = {name: _array(table[name]) for name in self._names}
        return self._columns[entry.data]


@dataclass(frozen=True)
class Episode:
    """One episode of a data set."""

    dataset: Dataset
    entry: Entry

    def __len__(self) -> int:
        """Number of frames."""
        return self.entry.length

    def __getitem__(self, frame: int) -> Frame:
        """Frame number `frame` of the episode. Raises as `Dataset.__getitem__`."""
        if not 0 <= frame < len(self):
            raise IndexError(f"frame {frame} of {len(self)} in episode {self.entry.episode}")
        return self.dataset._frame(self.entry, frame)

    @property
    def task(self) -> str:
        """The task sentence."""
        return self.entry.tasks[0] if self.entry.tasks else ""

    @property
    def numbers(self) -> dict[str, NDArray]:
        """Its numbers by feature, (T,) or (T, D)."""
        return self.dataset.columns(self.entry)

    @property
    def steps(self) -> list[str]:
        """(T,) the step text of each frame."""
        index = self.numbers.get("subtask_index")
        if index is None:
            return [""] * len(self)
        return [self.dataset._text(self.dataset.steps, layout.SUBTASKS, int(i)) for i in index]

    def images(self, camera: str) -> Iterator[NDArray[np.uint8]]:
        """One camera's images in order."""
        for frame in range(len(self)):
            yield self.dataset.image(self.entry, layout.IMAGE_PREFIX + camera, frame)

    @property
    def sidecar(self) -> Sidecar | None:
        """How it was recorded, its events and exact commands; None if another program recorded it."""
        number = self.entry.episode
        return read_sidecars(self.dataset.root, number, self.entry.data).get(number)


def data_problems(table: pa.Table, features: Features) -> Iterator[str]:
    """What in the columns of data/*.parquet contradicts info.json, one sentence a column."""
    if not len(table):
        yield "has no rows"
        return
    for name, wanted in ((one.name, one.type) for one in arrow_schema(features)):
        if (n := table.column_names.count(name)) != 1:
            yield f"column {name!r} of info.json {f'stands there {n} times' if n else 'is missing'}"
            continue
        column = table[name].combine_chunks()
        many, there = pa.types.is_fixed_size_list(wanted), column.type
        kind = there.value_type if is_list(there) else there
        if is_list(there) != many or kind != (wanted.value_type if many else wanted):
            yield f"column {name!r} holds {there}, info.json declares {wanted}"
        elif column.null_count or (many and column.flatten().null_count):
            yield f"column {name!r} has empty values"
        elif many and pc.any(pc.not_equal(pc.list_value_length(column), wanted.list_size)).as_py():
            yield f"column {name!r} holds lists of other lengths than {wanted.list_size}, as declared"
    for name in table.column_names:
        if name not in features:
            yield f"column {name!r} ({table[name].type}) is not declared in info.json; it would be lost"


def _array(column: pa.ChunkedArray) -> NDArray:
    array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    kind = array.type
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind):
        flat = array.flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(len(array), -1)
    return array.to_numpy(zero_copy_only=False)
