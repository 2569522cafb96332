"""The page's own files: nothing from elsewhere, readable in a dark and in a light room."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import palme.operator

PAGE = Path(palme.operator.__file__).parent / "page"
FILES = sorted(PAGE.iterdir())
TOKENS = (PAGE / "tokens.css").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_is_fetched_from_elsewhere(path):
    text = path.read_text(encoding="utf-8").replace("http://127.0.0.1:43211", "")
    assert not re.search(r"https?://|//[a-z]+\.[a-z]|@import|url\(|integrity=", text)
    assert not re.search(
        r"\beval\(|new Function|innerHTML|insertAdjacentHTML|document\.write| style=| on[a-z]+=\"", text
    )


def test_the_page_travels_with_the_package():
    import tomllib

    root = Path(palme.operator.__file__).parents[2]
    data = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "package-data"
    ]
    assert {f"*{path.suffix}" for path in FILES} <= set(data["*"])


def test_every_file_that_the_page_names_is_there():
    named = {
        name
        for path in FILES
        for name in re.findall(r"/files/([\w.]+)|from \"\./([\w.]+)\"", path.read_text(encoding="utf-8"))
        for name in name
        if name
    }
    assert named - {path.name for path in FILES} == {"report.css"}
    assert {path.name for path in FILES if path.suffix != ".html"} <= named


def test_each_key_does_one_thing_and_stands_on_the_page():
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    codes = re.findall(r'data-code="(\w+)"', page)
    assert len(codes) == len(set(codes)) == 18
    for code in codes:
        name = code.removeprefix("Key")
        shown = {"ArrowUp": "↑", "ArrowDown": "↓", "ArrowLeft": "←", "ArrowRight": "→"}.get(name, name)
        assert page.count(f"<kbd>{shown}</kbd>") >= 2, code  # on the button, and in the list


def luminance(colour):
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    """WCAG 2.2's ratio of two colours."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def themes():
    found = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r"\{[^{}]*\}", TOKENS)
    ]
    return [found[0], found[0] | found[1], found[0] | found[2]]


@pytest.mark.parametrize("theme", themes(), ids=["dark", "light by system", "light by choice"])
def test_words_are_readable(theme):
    for ground in ("paper", "card", "band"):
        for ink in ("ink", "quiet", "accent", "good", "bad", "warm", "violet"):
            assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground)  # AA
    assert contrast(theme["on-stop"], theme["stop"]) >= 4.5
    for mode in ("accent", "warm", "violet", "bad"):
        assert contrast(theme["paper"], theme[mode]) >= 4.5, mode  # the next verb's words on its colour
    for ground in ("paper", "card"):
        assert contrast(theme["edge"], theme[ground]) >= 3.0  # what a button is seen by


def test_the_two_ways_to_a_light_room_are_the_same():
    dark, by_system, by_choice = themes()
    assert by_system == by_choice != dark


def test_motion_is_for_those_who_want_it():
    for path in FILES:
        if path.suffix == ".css":
            outside = re.sub(
                r"@media \(prefers-reduced-motion: no-preference\) \{.*?\} \}",
                "",
                path.read_text(encoding="utf-8"),
            )
            assert "transition" not in outside and "animation" not in outside
