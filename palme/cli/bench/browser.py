"""A headless Chromium, driven by Playwright: for the tests and for the figures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from palme.cli.errors import UsageError

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def why_not() -> str:
    """Why there is no browser to drive, "" if there is one."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed: pip install 'palme-stack[dev]'"
    return "" if _path() else "no Chromium on this machine: apt-get install chromium"


def require_browser() -> None:
    """Raises UsageError where there is no browser to drive."""
    if reason := why_not():
        raise UsageError(reason)


@contextmanager
def chromium() -> Iterator[Any]:
    """A Playwright `Browser` with a new profile; each of its contexts is a person of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_path(), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def _path() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)
