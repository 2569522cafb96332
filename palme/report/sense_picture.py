"""A picture of what a sense measured: how docs/senses.md and `palme sense` show an observation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from robots.types import CameraFrame

Picture = NDArray[np.uint8]
WIDTH, HEIGHT = 320, 160  # [px]
PAPER, INK, GRID = (255, 255, 255), (40, 60, 120), (225, 225, 228)
LINES = ((40, 60, 120), (200, 90, 30), (40, 130, 80), (150, 60, 140), (120, 120, 30), (90, 90, 90))


def sense_picture(name: str, observation: Any) -> Picture:
    """RGB (H, W, 3) of an observation of the modality `name`; its type decides, and of sound its name."""
    drawn = BY_NAME.get(name) or DRAWN.get(type(observation).__name__)
    if drawn is None:
        return _text([f"{name}: {type(observation).__name__}"])
    return drawn(observation)


def sheet(pictures: Mapping[str, Picture], columns: int = 3) -> Picture:
    """Several pictures beside one another, each in a cell of the same size below its name."""
    rows = -(-len(pictures) // columns)
    out = Image.new("RGB", (columns * (WIDTH + 20), rows * (HEIGHT + 34)), PAPER)
    draw = ImageDraw.Draw(out)
    for k, (name, picture) in enumerate(pictures.items()):
        x, y = (k % columns) * (WIDTH + 20) + 10, k // columns * (HEIGHT + 34)
        draw.text((x, y + 6), name, fill=INK)
        image = Image.fromarray(picture)
        image.thumbnail((WIDTH, HEIGHT))
        out.paste(image, (x, y + 22))
    return np.asarray(out)


# -- sound ------------------------------------------------------------------------------------------


def _waveform(clip: Any) -> Picture:
    return _plot([clip.samples])


def _spectrum(clip: Any) -> Picture:
    power = np.log10(np.abs(np.fft.rfft(clip.samples)) ** 2 + 1e-4)
    return _plot([power[: 16 * (len(power) // 16)].reshape(-1, 16).mean(1)])


def _spectrogram(clip: Any) -> Picture:
    window, hop = 512, 80
    starts = range(0, max(len(clip.samples) - window, 1), hop)
    pieces = np.stack([np.pad(clip.samples[s : s + window], (0, window))[:window] for s in starts])
    power = np.log10(np.abs(np.fft.rfft(pieces * np.hanning(window))) ** 2 + 1e-4)  # (T, F)
    return _heat(power.T[::-1])


# -- pictures ---------------------------------------------------------------------------------------


def _depth(frame: CameraFrame) -> Picture:
    return _text(["no depth"]) if frame.depth is None else _heat(-frame.depth)


def _frame(frame: CameraFrame) -> Picture:
    return _resized(frame.rgb)


def _video(clip: Any) -> Picture:
    return np.concatenate([_resized(f, 160, 128) for f in clip.frames], 1)


def _views(views: Any) -> Picture:
    return np.concatenate([_resized(f.rgb, 216, 168) for f in views.frames], 1)


def _slots(slots: Any) -> Picture:
    cut = [np.where(mask[..., None], slots.frame.rgb, 0).astype(np.uint8) for mask in slots.masks]
    return np.concatenate([_resized(picture, 216, 168) for picture in (slots.frame.rgb, *cut)], 1)


# -- things in space --------------------------------------------------------------------------------


def _points(cloud: Any) -> Picture:
    return _scatter(cloud.xyz, cloud.xyz[:, 2])


def _implicit(shape: Any) -> Picture:
    return _scatter(shape.points, np.tanh(-shape.distance / 0.01))


def _voxels(grid: Any) -> Picture:
    front = grid.occupied.sum(0).T[::-1]  # (Z, Y)
    above = grid.occupied.sum(2)[::-1]  # (X, Y)
    return np.concatenate([_heat(front[:, ::-1]), _heat(above[:, ::-1])], 0)


def _mesh(mesh: Any) -> Picture:
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(picture)
    corners = mesh.vertices[mesh.faces]  # (F, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    shade = 90 + 150 * np.clip(normals @ np.array([0.6, 0.3, 0.74]), 0, 1)
    for k in np.argsort(corners[:, :, 0].mean(1)):  # from the arm outwards, as the camera in front sees it
        places = [_place(y, z) for _, y, z in corners[k]]
        draw.polygon(places, fill=(int(shade[k] * 0.6), int(shade[k] * 0.8), int(shade[k])))
    return np.asarray(picture)


def _place(y: float, z: float) -> tuple[float, float]:
    """Where (y, z) in [m] stands in a picture of 0.32 m x 0.16 m of the table; the arm's left is left."""
    return (WIDTH * (0.5 - y / 0.32), HEIGHT * (0.94 - z / 0.16))


def _scatter(points: NDArray[np.floating], value: NDArray[np.floating]) -> Picture:
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(picture)
    colours = _colours(value)
    for (_, y, z), colour in zip(points, colours, strict=True):
        u, v = _place(float(y), float(z))
        draw.ellipse([u - 2, v - 2, u + 2, v + 2], fill=tuple(int(c) for c in colour))
    return np.asarray(picture)


# -- numbers ----------------------------------------------------------------------------------------


def _wrench(signal: Any) -> Picture:
    return _plot([signal.wrench[:, k] for k in range(3)])


def _parts(assembly: Any) -> Picture:
    moving = [part for part in assembly.parts if part.joint != "fixed"]
    moving.sort(key=lambda part: -part.base_from_part[2, 3])
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(picture)
    for k, part in enumerate(moving):
        top = 12 + k * (HEIGHT - 20) // max(len(moving), 1)
        span = part.upper - part.lower
        share = (part.value - part.lower) / span if span > 0 else 0.0
        draw.rectangle([90, top, WIDTH - 20, top + 20], outline=INK)
        draw.rectangle([90, top, 90 + share * (WIDTH - 110), top + 20], fill=INK)
        draw.text((8, top + 4), f"z {part.base_from_part[2, 3]:.2f} m", fill=INK)
    return np.asarray(picture)


def _state(state: Any) -> Picture:
    x, y, z = state.base_from_ee[:3, 3]
    joints = " ".join(f"{q:+.2f}" for q in state.q)
    return _text([f"joints {joints} rad", f"tool {x:.2f} {y:.2f} {z:.2f} m", f"gripper {state.gripper:.2f}"])


# -- how it is drawn --------------------------------------------------------------------------------


def _plot(rows: list[NDArray[np.floating]]) -> Picture:
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(picture)
    low, high = (float(f([f(row) for row in rows])) for f in (np.min, np.max))
    for share in (0.25, 0.5, 0.75):
        draw.line([(0, share * HEIGHT), (WIDTH, share * HEIGHT)], fill=GRID)
    for row, colour in zip(rows, LINES, strict=False):
        u = np.linspace(0, WIDTH - 1, len(row))
        v = (HEIGHT - 12) * (high - row) / max(high - low, 1e-9) + 6
        draw.line(list(zip(u.tolist(), v.tolist(), strict=True)), fill=colour)
    return np.asarray(picture)


def _heat(values: NDArray[Any]) -> Picture:
    return _resized(_colours(values).astype(np.uint8))


def _colours(values: NDArray[Any]) -> NDArray[np.float64]:
    """Dark blue to yellow, (..., 3)."""
    low, high = np.percentile(values, [2, 98])
    share = np.clip((values - low) / max(high - low, 1e-9), 0, 1)[..., None]
    stops = np.array([(20, 20, 60), (60, 60, 150), (190, 80, 110), (250, 220, 90)], float)
    at = share[..., 0] * (len(stops) - 1)
    k = np.minimum(at.astype(int), len(stops) - 2)
    return stops[k] + (at - k)[..., None] * (stops[k + 1] - stops[k])


def _resized(rgb: NDArray[np.uint8], width: int = WIDTH, height: int = HEIGHT) -> Picture:
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(rgb)).resize((width, height), Image.Resampling.NEAREST)
    )


def _text(lines: list[str]) -> Picture:
    picture = Image.new("RGB", (WIDTH + 80, 20 + 18 * len(lines)), PAPER)
    draw = ImageDraw.Draw(picture)
    for k, line in enumerate(lines):
        draw.text((8, 8 + 18 * k), line, fill=INK)
    return np.asarray(picture)


BY_NAME: Mapping[str, Callable[[Any], Picture]] = {
    "waveform": _waveform,
    "power_spectrum": _spectrum,
    "depth": _depth,
}
DRAWN: Mapping[str, Callable[[Any], Picture]] = {
    "AudioClip": _spectrogram,
    "CameraFrame": _frame,
    "VideoClip": _video,
    "MultiView": _views,
    "ObjectSlots": _slots,
    "PointCloud": _points,
    "ImplicitShape": _implicit,
    "VoxelGrid": _voxels,
    "Mesh": _mesh,
    "WrenchSignal": _wrench,
    "PartAssembly": _parts,
    "RobotState": _state,
}
