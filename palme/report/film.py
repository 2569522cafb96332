"""Films: cameras side by side, the sentence above, the plan and its verdicts below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from palme.report.pictures import Picture

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

INK, QUIET, PAPER = (238, 237, 231), (160, 158, 149), (23, 23, 21)
GOOD, BAD, NOW = (116, 196, 147), (236, 139, 120), (138, 184, 230)
MARGIN, GAP = 24, 12
HEADER, LINE, MAX_LINES = 74, 30, 4


@dataclass(frozen=True)
class PlanLine:
    """One step of the plan.

    Attributes:
        text: the step text.
        state: "now", "done" or "failed".
    """

    text: str
    state: str


@dataclass(frozen=True)
class Caption:
    """The text around the images.

    Attributes:
        sentence: the instruction, above.
        plan: the steps so far, below.
        remark: the planner's rationale, at the bottom.
    """

    sentence: str
    plan: tuple[PlanLine, ...] = ()
    remark: str = ""


class Film:
    """Writes frames to an H.264 mp4 that browsers play (yuv420p, index at the front). A context manager.

    Cameras keep the order of the first frame; see `compose`.

    Attributes:
        first: the canvas of the first frame; None = no frame yet.
    """

    def __init__(self, path: Path, fps: int = 20, height: int = 480) -> None:
        """Set up a film; the file is created with the first frame.

        Args:
            path: the file.
            fps: frames a second.
            height: of the first camera's image in [px].
        """
        self._path, self._fps, self._height = path, fps, height
        self.first: Picture | None = None
        self._container: OutputContainer | None = None
        self._names: tuple[str, ...] = ()

    def __enter__(self) -> Film:
        """Return the film."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file."""
        if self._container is not None:
            for packet in self._stream.encode():
                self._container.mux(packet)
            self._container.close()

    def add(self, pictures: Mapping[str, Picture], caption: Caption) -> None:
        """Append a frame; `pictures` are uint8 (H, W, 3) by camera."""
        import av

        canvas = self.compose(pictures, caption)
        self.first = canvas if self.first is None else self.first
        if self._container is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(str(self._path), "w", options={"movflags": "faststart"})
            self._stream: VideoStream = self._container.add_stream("libx264", rate=self._fps)
            self._stream.height, self._stream.width = canvas.shape[:2]
            self._stream.pix_fmt = "yuv420p"
            self._stream.options = {"crf": "21", "preset": "veryfast"}
        frame = av.VideoFrame.from_ndarray(canvas, format="rgb24")
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def compose(self, pictures: Mapping[str, Picture], caption: Caption) -> Picture:
        """The canvas of one frame, uint8 (H, W, 3) with even sides.

        The first picture is shown at full height, the others in a column to its right.
        """
        self._names = self._names or tuple(pictures)
        first, *others = (pictures[name] for name in self._names)
        first = _to_height(first, self._height)
        room = (self._height - GAP * (len(others) - 1)) // max(1, len(others))
        others = [_to_height(picture, room) for picture in others]
        column = max((p.shape[1] for p in others), default=-GAP)
        width = _even(2 * MARGIN + first.shape[1] + GAP + column)
        canvas = np.empty((_even(HEADER + self._height + LINE * (MAX_LINES + 1) + 34), width, 3), np.uint8)
        canvas[:] = PAPER
        canvas[:HEADER] = _header(caption.sentence, width)
        canvas[HEADER : HEADER + self._height, MARGIN : MARGIN + first.shape[1]] = first
        y, x = HEADER, MARGIN + first.shape[1] + GAP
        for picture in others:
            canvas[y : y + room, x : x + picture.shape[1]] = picture
            y += room + GAP
        below = _plan(caption.plan, caption.remark, width)
        canvas[HEADER + self._height : HEADER + self._height + below.shape[0]] = below
        return canvas


def write_film(
    path: Path, frames: Iterable[tuple[Mapping[str, Picture], Caption]], fps: int = 20, height: int = 480
) -> int:
    """Write all `frames` to `path`. Returns their number."""
    n = 0
    with Film(path, fps, height) as film:
        for pictures, caption in frames:
            film.add(pictures, caption)
            n += 1
    return n


def _to_height(picture: Picture, height: int) -> Picture:
    from PIL import Image

    if picture.shape[0] == height:
        return picture
    width = round(picture.shape[1] * height / picture.shape[0])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def _even(n: int) -> int:
    return n + n % 2


@lru_cache(maxsize=8)
def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


@lru_cache(maxsize=8)
def _header(sentence: str, width: int) -> Picture:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, HEADER), PAPER)
    draw = ImageDraw.Draw(image)
    size = 30
    while size > 14 and draw.textlength(f"“{sentence}”", font=_font(size)) > width - 2 * MARGIN:
        size -= 1
    text = _shortened(f"“{sentence}”", size, width - 2 * MARGIN, draw)
    draw.text((MARGIN, HEADER // 2), text, fill=INK, font=_font(size), anchor="lm")
    return np.asarray(image)


@lru_cache(maxsize=16)
def _plan(plan: tuple[PlanLine, ...], remark: str, width: int) -> Picture:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, LINE * (MAX_LINES + 1) + 30), PAPER)
    draw = ImageDraw.Draw(image)
    first = max(0, len(plan) - MAX_LINES)
    y = 16
    for n, line in enumerate(plan[first:], first + 1):
        colour = {"now": NOW, "done": GOOD, "failed": BAD}[line.state]
        draw.text((MARGIN, y), f"{n}", fill=QUIET, font=_font(18))
        _mark(draw, MARGIN + 34, y + 11, line.state, colour)
        draw.text((MARGIN + 54, y), line.text, fill=INK if line.state == "now" else colour, font=_font(20))
        y += LINE
    for text in _wrapped(remark, 17, width - 2 * MARGIN - 54, draw)[: 1 + MAX_LINES - len(plan[first:])]:
        draw.text((MARGIN + 54, y + 2), text, fill=QUIET, font=_font(17))
        y += 24
    return np.asarray(image)


def _mark(draw: ImageDraw, x: int, y: int, state: str, colour: tuple[int, int, int]) -> None:
    """A tick, a cross or a dot, drawn, since not all fonts have them."""
    if state == "done":
        draw.line([(x - 6, y), (x - 1, y + 5), (x + 7, y - 6)], fill=colour, width=3)
    elif state == "failed":
        draw.line([(x - 5, y - 5), (x + 5, y + 5)], fill=colour, width=3)
        draw.line([(x - 5, y + 5), (x + 5, y - 5)], fill=colour, width=3)
    else:
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour)


def _wrapped(text: str, size: int, width: float, draw: ImageDraw) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and draw.textlength(longer, font=_font(size)) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _shortened(text: str, size: int, width: float, draw: ImageDraw) -> str:
    if draw.textlength(text, font=_font(size)) <= width:
        return text
    while text and draw.textlength(text + "…", font=_font(size)) > width:
        text = text[:-1]
    return text.rstrip() + "…"
