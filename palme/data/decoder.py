"""Any picture of any video, quickly: where each compressed frame lies is learned once, then read directly.

A decoder is kept a camera and not a file, since all files of one camera share its parameters: a data set of a
thousand episodes needs as many decoders as it has cameras. Going on where the last picture was costs one
decoded frame; going anywhere else begins at the key frame before it.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palme.data.errors import DamagedDatasetError

OPEN_FILES = 128
CACHE_MB = 64


@dataclass(frozen=True)
class VideoIndex:
    """Of one file: (n,) where the packets lie, their pictures' numbers, which are key frames."""

    path: Path
    offset: NDArray[np.int64]
    size: NDArray[np.int64]
    picture: NDArray[np.int64]
    key: NDArray[np.bool_]
    codec: str
    extradata: bytes
    ticks: int  # of the file's clock, a picture

    @property
    def n(self) -> int:
        return len(self.offset)


class Pictures:
    """Decoded pictures of many files, with a cache.

    Args:
        fps: pictures a second of all of them.
        cache_mb: of decoded pictures that are kept.
    """

    def __init__(self, fps: float, cache_mb: int = CACHE_MB) -> None:
        self._fps, self._room = fps, cache_mb << 20
        self._indices: dict[Path, VideoIndex] = {}
        self._files: OrderedDict[Path, int] = OrderedDict()
        self._decoders: dict[tuple[str, bytes], _Decoder] = {}
        self._cache: OrderedDict[tuple[Path, int], NDArray[np.uint8]] = OrderedDict()
        self._held = 0

    def get(self, path: Path, picture: int) -> NDArray[np.uint8]:
        """Picture number `picture` of a file, uint8 (H, W, 3), read-only. Raises DamagedDatasetError."""
        found = self._cache.get((path, picture))
        if found is not None:
            self._cache.move_to_end((path, picture))
            return found
        index = self.index(path)
        if not 0 <= picture < index.n:
            raise DamagedDatasetError(f"{path}: picture {picture} of {index.n}; the video is cut short")
        key = (index.codec, index.extradata)
        if key not in self._decoders:
            self._decoders[key] = _Decoder(*key)
        rgb = self._decoders[key].get(index, self._file(path), picture)
        rgb.setflags(write=False)
        self._cache[path, picture] = rgb
        self._held += rgb.nbytes
        while self._held > self._room and len(self._cache) > 1:
            self._held -= self._cache.popitem(last=False)[1].nbytes
        return rgb

    def count(self, path: Path) -> int:
        """How many pictures a file holds. Raises DamagedDatasetError."""
        return self.index(path).n

    def index(self, path: Path) -> VideoIndex:
        """Where everything lies in a file. Raises DamagedDatasetError."""
        if path not in self._indices:
            self._indices[path] = index_video(path, self._fps)
        return self._indices[path]

    def close(self) -> None:
        """Give the open files back."""
        for fd in self._files.values():
            os.close(fd)
        self._files.clear()

    def __del__(self) -> None:
        self.close()

    def _file(self, path: Path) -> int:
        if path in self._files:
            self._files.move_to_end(path)
        else:
            self._files[path] = os.open(path, os.O_RDONLY)
            if len(self._files) > OPEN_FILES:
                os.close(self._files.popitem(last=False)[1])
        return self._files[path]


class _Decoder:
    """One decoder: where it stands, and the pictures it gives."""

    def __init__(self, codec: str, extradata: bytes) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        self._context: Any = av.CodecContext.create(codec, "r")
        self._context.extradata = extradata
        self._context.thread_count = 1  # threads hold frames back; one picture is wanted, and now
        self._reformatter = VideoReformatter()
        self._path: Path | None = None
        self._next = 0  # packet that would go in next

    def get(self, index: VideoIndex, fd: int, picture: int) -> NDArray[np.uint8]:
        import av

        at = int(np.searchsorted(index.picture, picture)) if index.n else 0
        key = int(np.flatnonzero(index.key[: at + 1])[-1])
        if not (index.path == self._path and key <= self._next <= at):
            self._context.flush_buffers()
            self._next = key
        self._path = index.path
        try:
            while self._next < index.n:
                k = self._next
                packet = av.Packet(os.pread(fd, int(index.size[k]), int(index.offset[k])))
                packet.pts = int(index.picture[k])
                self._next += 1
                for frame in self._context.decode(packet):
                    if frame.pts == picture:
                        return self._rgb(frame)
                if k >= at + 32:
                    break
            for frame in self._context.decode(None):
                if frame.pts == picture:
                    self._path = None  # drained: begin anew next time
                    return self._rgb(frame)
        except av.FFmpegError as error:
            self._path = None
            raise DamagedDatasetError(
                f"{index.path}: picture {picture} cannot be decoded ({error})"
            ) from error
        self._path = None
        raise DamagedDatasetError(f"{index.path}: picture {picture} does not come out of the decoder")

    def _rgb(self, frame: Any) -> NDArray[np.uint8]:
        rgb: Any = self._reformatter.reformat(frame, format="rgb24").to_ndarray()
        return rgb


def index_video(path: Path, fps: float) -> VideoIndex:
    """Read where everything lies in a file. Raises DamagedDatasetError."""
    import av

    try:
        with av.open(str(path)) as container:
            stream: Any = container.streams.video[0]
            ticks = 1 / (float(stream.time_base) * fps)
            rows: list[Any] = [
                (p.pos, p.size, p.pts, p.is_keyframe) for p in container.demux(stream) if p.size
            ]
            codec, extradata = stream.codec_context.name, bytes(stream.codec_context.extradata or b"")
    except FileNotFoundError:
        raise DamagedDatasetError(
            f"{path} is missing; `palme data check` tells which episodes need it"
        ) from None
    except (av.FFmpegError, IndexError, OSError) as error:
        raise DamagedDatasetError(f"{path}: cut short or no video ({error})") from error
    size = path.stat().st_size
    if not rows or not rows[0][3] or any(pos is None or pos + n > size for pos, n, _, _ in rows):
        raise DamagedDatasetError(f"{path}: cut short, pictures lie beyond its {size} bytes")
    pictures = np.array([round(pts / ticks) for _, _, pts, _ in rows], np.int64)
    if not np.array_equal(np.sort(pictures), np.arange(len(rows))):
        raise DamagedDatasetError(f"{path}: pictures are not at multiples of 1/{fps:g} s from 0")
    offset, sizes = np.array([[r[0], r[1]] for r in rows], np.int64).T
    key = np.array([r[3] for r in rows])
    return VideoIndex(path, offset, sizes, pictures, key, codec, extradata, round(ticks))
