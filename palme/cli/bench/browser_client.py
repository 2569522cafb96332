"""A visitor: a headless Chromium that opens a console, takes the arm, and moves it to and fro by its keys.

    python -m palme.cli.bench.browser_client < a line with the console's address

In a process of its own, as a person's browser is. It goes on until its input ends, and prints "here" when it
moves the arm.
"""

from __future__ import annotations

import itertools
import select
import sys
from typing import Any

from palme.cli.bench.browser import chromium

KEYS = ("KeyW", "KeyS", "KeyA", "KeyD", "KeyE", "KeyQ")  # there and back
HOLD = 1000.0  # [ms] a key is held


def visit(address: str) -> None:
    """Until standard input ends."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        page.wait_for_selector("body[data-mode=paused]")
        _take(page)
        print("here", flush=True)
        for key in itertools.cycle(KEYS):
            if select.select([sys.stdin], [], [], 0)[0]:
                return
            _take(page)
            page.keyboard.down(key)
            page.wait_for_timeout(HOLD)
            page.keyboard.up(key)


def _take(page: Any) -> None:
    """The arm, where this page does not hold it."""
    if page.locator("body[data-mode=correcting].may-move").count() == 0:
        page.keyboard.press("KeyT")
        page.wait_for_selector("body[data-mode=correcting].may-move")


if __name__ == "__main__":
    visit(sys.stdin.readline().strip())
