"""report.html of a sentence that was refused before any motion."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from palme.report.parts import brand, footer, page, pill


def refusal_page(instruction: str, reason: str, details: Mapping[str, object]) -> str:
    """The page as one HTML string."""
    body = "".join((
        brand("report of a run", str(details.get("date", ""))),
        f"<h1>{escape(instruction)}</h1>",
        f'<p class="verdict">{pill("Refused", "bad")}<span>{escape(reason)}</span></p>',
        "<p class='lead'>No command was sent.</p>",
        footer(details),
    ))  # fmt: skip
    return page(instruction, body)
