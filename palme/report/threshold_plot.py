"""threshold.png: shares of right, wrong and acted on against the threshold of confidence."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

SIZE = (960, 540)  # [px]
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 24, 60  # [px] around the axes
COLOURS = ("#2c7a4b", "#b3402f", "#2f5d8a", "#c7782a")
INK, LINE = "#1d1d1b", "#d8d5cc"


def threshold_plot(thresholds: Sequence[float], shares: Mapping[str, Sequence[float]]) -> bytes:
    """A PNG with one line for each of `shares`, all in [0, 1], over `thresholds` in [0, 1]."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", SIZE, "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    width, height = SIZE[0] - LEFT - RIGHT, SIZE[1] - TOP - BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        return LEFT + x * width, TOP + (1 - y) * height

    for k in range(0, 11, 2):
        share = k / 10
        draw.line([at(0, share), at(1, share)], LINE)
        draw.text((LEFT - 10, at(0, share)[1]), f"{100 * share:.0f} %", INK, font, anchor="rm")
        draw.text((at(share, 0)[0], at(0, 0)[1] + 8), f"{share:g}", INK, font, anchor="mt")
    draw.text((LEFT + width / 2, SIZE[1] - 18), "refused below this probability", INK, font, anchor="mm")
    lowest = float("inf")  # [px] of the name before, so that no two overlap
    for colour, (name, values) in sorted(
        zip(COLOURS, shares.items(), strict=False), key=lambda one: one[1][1][-1]
    ):
        draw.line([at(x, y) for x, y in zip(thresholds, values, strict=True)], colour, 3)
        lowest = min(at(1, values[-1])[1], lowest - 20)
        draw.text((LEFT + width + 10, lowest), name, colour, font, anchor="lm")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
