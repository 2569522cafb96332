"""What the console promises in time, measured in a real browser over the loopback.

Both figures are upper bounds by one clock, this process's: a stop is timed from before the browser is told to
press the key (or the button) until `Operator.stop` is called; a picture from when it was taken until this
process hears from the page that it has been drawn.
"""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.bench.browser import chromium, require_browser
from palme.cli.settings.bench import ConsoleBenchConfig
from palme.operator.operator import Picture, Reply
from palme.operator.rehearsal.drawing import BLOCK, CAMERAS, draw
from palme.operator.rehearsal.operator import RehearsalOperator
from palme.operator.server import serve

TARGETS = {"stop_ms_p99": 50.0, "picture_ms_p95": 120.0}
_FRAMES = 24
_NOISE = 6.0  # of 255: what makes a drawing as hard to compress as a camera's picture (60 kB)


class BenchOperator(RehearsalOperator):
    """Pictures drawn beforehand (drawing is not the console's part), and the instant of each stop."""

    def __init__(self, hz: float) -> None:
        super().__init__()
        self.hz, self.stopped = hz, list[float]()
        noise = np.random.default_rng(0)
        self._reel = {name: [self._frame(name, noise) for _ in range(_FRAMES)] for name in CAMERAS}
        self._begin = time.monotonic()

    def _frame(self, camera: str, noise: np.random.Generator) -> np.ndarray:
        self._arm.tick(0.05, np.array([0.1, 0.15, -0.1]), 0.0, None)
        rgb = draw(CAMERAS[camera], self._arm, np.array([0.4, -0.16, BLOCK]))
        return np.clip(rgb + noise.normal(0.0, _NOISE, rgb.shape), 0, 255).astype(np.uint8)

    def picture(self, camera: str) -> Picture | None:
        """As a camera that runs at `hz`: each picture is as old as it is."""
        n = int((time.monotonic() - self._begin) * self.hz)
        return Picture(self._reel[camera][n % _FRAMES], self._begin + n / self.hz)

    def draw(self) -> None:
        """Nothing is drawn while it is measured."""

    def stop(self, who: str, reason: str) -> Reply:
        """Note the time, then as `RunOperator`."""
        self.stopped.append(time.monotonic())
        return super().stop(who, reason)


def bench_console(seconds: float, presses: int, hz: float, bar: Bar) -> dict[str, Any]:
    """Figures by name, in [ms].

    Args:
        seconds: of pictures alone, two 640x480 cameras at `hz`.
        presses: stops, by Space, Escape and the button in turn, while pictures flow and a key is held.
    """
    with (
        BenchOperator(hz) as operator,
        serve(operator, announce=lambda _: None) as console,
        chromium() as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(console.address)
        page.wait_for_selector("body[data-mode=autonomous]")
        page.wait_for_timeout(1000)
        console.clients.ages.clear()
        with bar("pictures", int(seconds)) as progress:
            for _ in range(int(seconds)):
                page.wait_for_timeout(1000)
                progress.update()
        ages = 1e3 * np.array([age for _, age in list(console.clients.ages)])
        stops = _stops(page, operator, presses, bar)
    return {
        "pictures": len(ages), "pictures_a_second": len(ages) / seconds, "camera_hz": hz,
        "picture_ms_p50": float(np.quantile(ages, 0.5)), "picture_ms_p95": float(np.quantile(ages, 0.95)),
        "picture_ms_max": float(ages.max()), "presses": len(stops),
        "stop_ms_p50": float(np.quantile(stops, 0.5)), "stop_ms_p99": float(np.quantile(stops, 0.99)),
        "stop_ms_max": float(stops.max()),
    }  # fmt: skip


def _stops(page: Any, operator: BenchOperator, presses: int, bar: Bar) -> np.ndarray:
    """(presses,) [ms] from before the press to the call of `Operator.stop`."""
    found, draw_wait = [], random.Random(0)
    box = page.locator("#stop").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    with bar("stops", presses) as progress:
        for k in range(presses):
            operator.take("console 1")
            page.wait_for_selector("body[data-mode=correcting].may-move")
            page.keyboard.down("KeyW")
            page.wait_for_timeout(draw_wait.uniform(30.0, 110.0))
            operator.stopped.clear()
            begin = time.monotonic()
            if k % 3 == 2:
                page.mouse.down()
            else:
                page.keyboard.down(("Space", "Escape")[k % 3])
            page.wait_for_selector("body[data-mode=stopped]")
            found.append(operator.stopped[0] - begin)
            page.mouse.up()
            for key in ("Space", "Escape", "KeyW"):
                page.keyboard.up(key)
            while not operator.rearm("bench").done:
                page.wait_for_timeout(20)
            progress.update()
    return 1e3 * np.array(found)


def _measure(config: ConsoleBenchConfig, bar: Bar) -> Figures:
    require_browser()
    return bench_console(config.seconds, config.presses, config.camera_hz, bar)


def _has_failed(figures: Figures) -> bool:
    return not all(figures[name] <= target for name, target in TARGETS.items())


BENCH = Bench(ConsoleBenchConfig, _measure, _has_failed)
