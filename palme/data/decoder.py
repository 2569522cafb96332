"""Random access to the images of many videos.

The position of each compressed frame is read once a file, then images are read directly. One decoder serves a
camera, since all its files share the codec parameters: a thousand episodes need as many decoders as there are
cameras. The next image costs one decoded frame; any other one starts at the key frame before it.
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

MAX_OPEN_FILES = 128
CACHE_MB = 64


@dataclass(frozen=True)
class VideoIndex:
    """The n frames of one file.

    Attributes:
        path: the file.
        offset, size: (n,) position and size of each packet in [bytes].
        image: (n,) image number of each packet, in the order of presentation.
        key: (n,) whether it is a key frame.
        codec, extradata: decoder parameters.
        codec_name, pix_fmt: of the format, whatever decodes it: "h264", "yuv420p".
        ticks: time base units an image.
    """

    path: Path
    offset: NDArray[np.int64]
    size: NDArray[np.int64]
    image: NDArray[np.int64]
    key: NDArray[np.bool_]
    codec: str
    extradata: bytes
    ticks: int
    codec_name: str
    pix_fmt: str

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.offset)


class VideoDecoder:
    """Decodes images of many files, with a cache."""

    def __init__(self, fps: float, cache_mb: int = CACHE_MB) -> None:
        """Start with an empty cache.

        Args:
            fps: images a second of all files.
            cache_mb: size of the cache in [MiB].
        """
        self._fps, self._capacity = fps, cache_mb << 20
        self._indices: dict[Path, VideoIndex] = {}
        self._files: OrderedDict[Path, int] = OrderedDict()
        self._decoders: dict[tuple[str, bytes], _Decoder] = {}
        self._cache: OrderedDict[tuple[Path, int], NDArray[np.uint8]] = OrderedDict()
        self._cached_bytes = 0

    def get(self, path: Path, image: int) -> NDArray[np.uint8]:
        """Image number `image` of a file, uint8 (H, W, 3), read-only.

        Raises:
            DamagedDatasetError: the video is truncated or cannot be decoded.
        """
        found = self._cache.get((path, image))
        if found is not None:
            self._cache.move_to_end((path, image))
            return found
        index = self.index(path)
        if not 0 <= image < index.n:
            raise DamagedDatasetError(f"{path}: image {image} of {index.n}; the video is truncated")
        key = (index.codec, index.extradata)
        if key not in self._decoders:
            self._decoders[key] = _Decoder(*key)
        rgb = self._decoders[key].get(index, self._file(path), image)
        rgb.setflags(write=False)
        self._cache[path, image] = rgb
        self._cached_bytes += rgb.nbytes
        while self._cached_bytes > self._capacity and len(self._cache) > 1:
            self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return rgb

    def count(self, path: Path) -> int:
        """Number of images of a file.

        Raises:
            DamagedDatasetError: the video is truncated.
        """
        return self.index(path).n

    def index(self, path: Path) -> VideoIndex:
        """The frame positions of a file, read once.

        Raises:
            DamagedDatasetError: the video is truncated.
        """
        if path not in self._indices:
            self._indices[path] = index_video(path, self._fps)
        return self._indices[path]

    def close(self) -> None:
        """Close the open files. Idempotent."""
        for fd in self._files.values():
            os.close(fd)
        self._files.clear()

    def __del__(self) -> None:
        """Close the open files."""
        self.close()

    def _file(self, path: Path) -> int:
        if path in self._files:
            self._files.move_to_end(path)
        else:
            self._files[path] = os.open(path, os.O_RDONLY)
            if len(self._files) > MAX_OPEN_FILES:
                os.close(self._files.popitem(last=False)[1])
        return self._files[path]


class _Decoder:
    """One decoder and its position."""

    def __init__(self, codec: str, extradata: bytes) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        self._context: Any = av.CodecContext.create(codec, "r")
        self._context.extradata = extradata
        self._context.thread_count = 1  # threads delay frames, and one image is wanted at once
        self._reformatter = VideoReformatter()
        self._path: Path | None = None
        self._next = 0  # next packet to decode

    def get(self, index: VideoIndex, fd: int, image: int) -> NDArray[np.uint8]:
        import av

        at = int(np.searchsorted(index.image, image)) if index.n else 0
        key = int(np.flatnonzero(index.key[: at + 1])[-1])
        if not (index.path == self._path and key <= self._next <= at):
            self._context.flush_buffers()
            self._next = key
        self._path = index.path
        try:
            while self._next < index.n:
                k = self._next
                packet = av.Packet(os.pread(fd, int(index.size[k]), int(index.offset[k])))
                packet.pts = int(index.image[k])
                self._next += 1
                for frame in self._context.decode(packet):
                    if frame.pts == image:
                        return self._rgb(frame)
                if k >= at + 32:
                    break
            for frame in self._context.decode(None):
                if frame.pts == image:
                    self._path = None  # drained: restart at a key frame next time
                    return self._rgb(frame)
        except av.FFmpegError as error:
            self._path = None
            raise DamagedDatasetError(f"{index.path}: image {image} cannot be decoded ({error})") from error
        self._path = None
        raise DamagedDatasetError(f"{index.path}: image {image} was not returned by the decoder")

    def _rgb(self, frame: Any) -> NDArray[np.uint8]:
        rgb: Any = self._reformatter.reformat(frame, format="rgb24").to_ndarray()
        return rgb


def index_video(path: Path, fps: float) -> VideoIndex:
    """Read the frame positions of a file.

    Args:
        path: the file.
        fps: images a second.

    Raises:
        DamagedDatasetError: the file is missing, truncated, or has images off the nominal times.
    """
    import av

    try:
        with av.open(str(path)) as container:
            stream: Any = container.streams.video[0]
            ticks = 1 / (float(stream.time_base) * fps)
            rows: list[Any] = [
                (p.pos, p.size, p.pts, p.is_keyframe) for p in container.demux(stream) if p.size
            ]
            format_name, pix_fmt = stream.codec_context.codec.canonical_name, stream.codec_context.pix_fmt
            codec, extradata = stream.codec_context.name, bytes(stream.codec_context.extradata or b"")
    except FileNotFoundError:
        raise DamagedDatasetError(
            f"{path} is missing; `palme data check` lists the episodes that need it"
        ) from None
    except (av.FFmpegError, IndexError, OSError) as error:
        raise DamagedDatasetError(f"{path}: truncated or no video ({error})") from error
    size = path.stat().st_size
    if not rows or not rows[0][3] or any(pos is None or pos + n > size for pos, n, _, _ in rows):
        raise DamagedDatasetError(f"{path}: truncated, images lie beyond its {size} bytes")
    images = np.array([round(pts / ticks) for _, _, pts, _ in rows], np.int64)
    if not np.array_equal(np.sort(images), np.arange(len(rows))):
        raise DamagedDatasetError(f"{path}: images are not at multiples of 1/{fps:g} s from 0")
    offset, sizes = np.array([[r[0], r[1]] for r in rows], np.int64).T
    key = np.array([r[3] for r in rows])
    return VideoIndex(
        path, offset, sizes, images, key, codec, extradata, round(ticks), format_name, pix_fmt or ""
    )
