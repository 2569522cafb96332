"""Which of several things a person means by an answer: "the large one", "left", "both", "never mind"."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from palme.planners.program.scene import SeenScene
from robots.skills import COLOURS, KINDS, SHADES

_WORDS = {
    "large": "large big bigger biggest larger largest huge tall taller",
    "small": "small smaller smallest little tiny short shorter",
    "left": "left leftmost lefthand",
    "right": "right rightmost righthand",
    "front": "front frontmost near nearer nearest nearby close closer closest bottom",
    "behind": "back behind rear far farther farthest further furthest backmost",
    "middle": "middle centre center central",
    "all": "both all every each everything",
    "any": "any either whichever whatever anyone",
    "block": "block blocks cube cubes brick box",
    "cylinder": "cylinder cylinders can tin tube",
    "bowl": "bowl bowls dish",
    "first": "first 1st one. 1",
    "second": "second 2nd 2",
    "third": "third 3rd 3",
    "fourth": "fourth 4th 4",
    "last": "last",
}  # fmt: skip
_MEANING = {word: meaning for meaning, words in _WORDS.items() for word in words.split()}
_FILLERS = frozenset(
    "the a an one ones of on in at to that is it side i mean meant please take use this thing things colour "
    "colored coloured would be ok okay yes just only from my your camera table and well then with no "
    "nope".split()
)
_CANCEL = re.compile(
    r"\W*(?:no|nope|none|neither|cancel|stop|abort|quit|exit|nothing|forget (?:it|that|about it)|never ?mind"
    r"|leave it|don'?t|do not|neither of (?:them|those)|none of (?:them|those))"
    r"(?:,? (?:thanks|thank you|please|it|that|them|anything))*\W*",
    re.IGNORECASE,
)
_LOOKS = (*COLOURS, *KINDS, "small", "large")
_ORDINALS = ("first", "second", "third", "fourth")
_MOST: dict[str, tuple[int, int]] = {"left": (1, 1), "right": (1, -1), "front": (0, -1), "behind": (0, 1)}


def cancels(answer: str) -> bool:
    """Whether a person wants nothing to be done: "never mind", "neither", "stop"."""
    return _CANCEL.fullmatch(answer.strip()) is not None


def meant(answer: str, ids: Sequence[int], scene: SeenScene) -> tuple[int, ...] | None:
    """Those of `ids` that `answer` means.

    Args:
        answer: a person's words.
        ids: what was asked about.
        scene: where they are.

    Returns:
        One thing, several where "both" or "all" was said; None where the words are not understood, or leave
        several.
    """
    words = _words(answer)
    if words is None or not words:
        return None
    if words == ["all"]:
        return tuple(ids)
    if words == ["any"]:
        return (min(ids, key=lambda id: (len(scene.above(id)), len(scene.below(id)))),)
    left = list(ids)
    for word in words:
        if word in _LOOKS:
            left = _filtered(word, left, scene)
    places = [set(_filtered(word, left, scene)) for word in words if word not in _LOOKS]
    left = [id for id in left if all(id in fits for fits in places)]
    if "all" in words and left:
        return tuple(left)
    return (left[0],) if len(left) == 1 else None


def _words(answer: str) -> list[str] | None:
    """Meanings of the words, None where one is not known."""
    text = re.sub(r"\bone\b", "", answer.lower()) if len(answer.split()) > 1 else answer.lower()
    for shade, colour in SHADES.items():
        text = re.sub(rf"\b{shade}\b", colour, text)
    found = []
    for word in re.findall(r"[^\W_]+", text):
        if word in COLOURS:
            found.append(word)
        elif word in _MEANING:
            found.append(_MEANING[word])
        elif word not in _FILLERS:
            return None
    return list(dict.fromkeys(found))


def _filtered(word: str, ids: list[int], scene: SeenScene) -> list[int]:
    by_place = sorted(ids, key=lambda id: scene[id].xyz[1])
    if word in COLOURS:
        return [id for id in ids if scene[id].colour == word]
    if word in KINDS:
        return [id for id in ids if scene[id].kind == word]
    if word in ("small", "large"):
        return [id for id in ids if scene[id].size == word]
    if word in _MOST:
        axis, sign = _MOST[word]
        return _most(ids, lambda id: sign * scene[id].xyz[axis])
    if word == "middle":
        return [by_place[len(ids) // 2]] if len(ids) % 2 else []
    if word == "last":
        return by_place[-1:]
    if word in _ORDINALS:
        at = _ORDINALS.index(word)
        return by_place[at : at + 1]
    return ids  # "all": after the other words


def _most(ids: list[int], key: Callable[[int], float]) -> list[int]:
    """The one with the least `key`, if it is clearly the one."""
    order = sorted(ids, key=key)
    return order[:1] if len(order) < 2 or key(order[1]) - key(order[0]) > 0.01 else []
