"""GR00T's observations and actions in both published forms: nested, and flat with dotted names.

    nested  {"video": {"front": (1, T, H, W, 3)}, "state": {"arm": (1, T, D)}, "language": {"task": [[text]]}}
    flat    {"video.front": ..., "state.arm": ..., "annotation.human.task_description": [text]}

N1.6 and later take the nested form, and the flat one with `use_sim_policy_wrapper`. Clients of N1 and N1.5
send the flat form without a batch axis, and without the `observation` around it. Inside, an entry is named
`group/name`. Sources: `gr00t/policy/gr00t_policy.py` (N1.6, N1.7), `gr00t/eval/service.py` (N1, N1.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from robots.errors import MessageRefused
from robots.joints import numbers
from robots.policy_servers.errors import FieldRefused
from robots.policy_servers.keys import canonical
from robots.policy_servers.msgpack_numpy import shown

AXES = {"video": 3, "state": 1, "depth": 2, "calibration": 2}  # of one entry, without batch and time
TEXT = ("language", "annotation")  # groups of text
# Names that published configurations give to the instruction.
INSTRUCTIONS = (
    "language/task",
    "language/annotation.human.task_description",
    "language/annotation.human.action.task_description",
    "language/annotation.human.coarse_action",
)
WRAPPED = ("observation", "options")


@dataclass(frozen=True)
class Form:
    """How a request is written; its answer is written in the same way.

    Attributes:
        flat: dotted names instead of groups.
        wrapped: the observation is the entry `observation` of the data, beside `options`.
        batched: arrays have an axis for the batch.
    """

    flat: bool = False
    wrapped: bool = True
    batched: bool = True

    def action(self, rows: Mapping[str, np.ndarray], info: Mapping[str, Any]) -> Any:
        """The answer with `rows`, (H, D) by group, and `info`, which only a wrapped answer has."""
        named = {
            f"action.{name}" if self.flat else name: array[None] if self.batched else array
            for name, array in rows.items()
        }
        return [named, dict(info)] if self.wrapped else named


def read_request(data: Mapping[Any, Any]) -> tuple[dict[str, Any], Form]:
    """The observation in the data of a request, by `group/name`, and its form.

    Args:
        data: with an entry `observation`, or itself a flat observation.

    Raises:
        FieldRefused: neither form, both of them, an entry given twice, or an array without its axes.
    """
    wrapped = "observation" in data
    if wrapped and (beside := [key for key in data if key not in WRAPPED]):
        raise FieldRefused(
            f"the data hold {_names(beside)} beside 'observation': put every entry inside of it"
        )
    flat, form = flatten(data["observation"] if wrapped else data, wrapped)
    if not (wrapped or form.flat):
        raise FieldRefused("the data lack 'observation': send a nested observation as that entry")
    return flat, form


def flatten(observation: object, wrapped: bool = True) -> tuple[dict[str, Any], Form]:
    """An observation of either form as `{"video/k": newest entry, ...}`, and its form.

    Raises:
        FieldRefused: see `read_request`.
    """
    if not isinstance(observation, dict):
        raise FieldRefused(f"observation is {shown(observation)}, not a map of groups or of dotted names")
    groups = [key for key, value in observation.items() if isinstance(value, dict)]
    dotted = [key for key in observation if key not in groups]
    if wrong := [key for key in dotted if not (isinstance(key, str) and ("." in key or key == "task"))]:
        raise FieldRefused(
            f"observation entry {_names(wrong)} is {shown(observation[wrong[0]])}, not a dict of groups such "
            "as video, state and language, and no dotted name such as video.front"
        )
    if groups and dotted:
        raise FieldRefused(
            f"observation has groups ({_names(groups)}) and dotted names ({_names(dotted)}): use one form"
        )
    flat: dict[str, Any] = {}
    if groups:
        for group in groups:
            for key, value in observation[group].items():
                name = canonical(f"{group}.{key}") if group == "annotation" else f"{group}/{key}"
                if name in flat:
                    raise FieldRefused(f"observation holds {name} under two names: send it once")
                flat[name] = _newest(name, group, value, batch=True)[0]
        return flat, Form(wrapped=wrapped)
    batched = []
    for name in dotted:
        group = name.partition(".")[0]
        if canonical(name) in flat:
            raise FieldRefused(f"observation holds {name} under two names: send it once")
        flat[canonical(name)], whether = _newest(name, group, observation[name], batch=False)
        batched += [whether] if whether is not None else []
    if len(set(batched)) > 1:
        raise FieldRefused("observation has arrays with and without an axis for the batch: send all alike")
    return flat, Form(True, wrapped, batched == [] or batched[0])


def _newest(name: str, group: object, value: object, batch: bool) -> tuple[Any, bool | None]:
    """The newest entry of `value`, and whether it has a batch axis (None = does not say).

    Args:
        batch: whether the axes of batch and time must be there.
    """
    if group in TEXT or name == "task" or (isinstance(value, list) and _holds_text(value)):
        return _newest_text(name, value), None
    if isinstance(value, list):
        value = numbers(value, name, FieldRefused)
    if not isinstance(value, np.ndarray):
        return value, None
    base = AXES.get(str(group))
    more = 2 if batch else (value.ndim - base if base is not None else 0)
    if more == 0 or (base is not None and value.ndim == 0):
        return value, None
    if more == 1 and len(value) > 0:
        return value[-1], False
    if more == 2 and value.ndim >= 2 and value.shape[0] == 1 and value.shape[1] > 0:
        return value[0, -1], True
    axes = "(1, T, ...)" if batch else "(1, T, ...) or (T, ...)"
    raise FieldRefused(f"{name}: shape {value.shape}, expected {axes}")


def _holds_text(value: list[Any]) -> bool:
    while isinstance(value, list) and value:
        value = value[-1]
    return isinstance(value, str)


def _newest_text(name: str, value: object) -> object:
    """Text from `text`, `[text]` or `[[text, ...]]`: one batch, the newest of its times."""
    outer = True
    while isinstance(value, list) and value:
        if outer and len(value) > 1:
            raise FieldRefused(f"{name}: {len(value)} texts at once; send one observation at a time")
        value, outer = value[-1], False
    return value


def with_instruction(flat: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    """`flat` with the instruction named `prompt`, whichever of `INSTRUCTIONS` it has.

    Raises:
        FieldRefused: it has two that differ.
    """
    names = [name for name in dict.fromkeys((prompt, *INSTRUCTIONS)) if name in flat]
    if len({repr(flat[name]) for name in names}) > 1:
        raise FieldRefused(f"{_names(names)} hold different instructions: send one")
    rest = {name: value for name, value in flat.items() if name not in names}
    return rest | {prompt: flat[names[0]]} if names else rest


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The nested form, with batch and time of 1. Raises FieldRefused for a name without a group."""
    out: dict[str, dict[str, Any]] = {}
    for name, value in flat.items():
        group, key = _split(name)
        out.setdefault(group, {})[key] = (
            [[value]] if isinstance(value, str) else np.asarray(value)[None, None]
        )
    return out


def dot(flat: Mapping[str, Any], batch: bool) -> dict[str, Any]:
    """The flat form, with a time of 1, and a batch of 1 where `batch`. Raises as `nest`."""
    out: dict[str, Any] = {}
    for name, value in flat.items():
        group, key = _split(name)
        if isinstance(value, str):
            out[key if group == "language" else f"{group}.{key}"] = [value]
        else:
            out[f"{group}.{key}"] = np.asarray(value)[None, None] if batch else np.asarray(value)[None]
    return out


def rows_of(reply: object, groups: tuple[str, ...]) -> tuple[np.ndarray, dict[str, Any]]:
    """The (H, sum of D) rows of an answer in any form, the `groups` joined in their order, and its info.

    Raises:
        MessageRefused: a group is missing or given twice, or groups do not join.
    """
    named, info = (reply[0], reply[1]) if isinstance(reply, list) and len(reply) == 2 else (reply, {})
    if not isinstance(named, dict):
        raise MessageRefused(f"answer is {shown(named)}, not a map of actions")
    parts = []
    for group in groups:
        found = [key for key in (group, f"action.{group}") if isinstance(named.get(key), np.ndarray)]
        if len(found) != 1:
            what = "no action" if not found else "twice the action"
            raise MessageRefused(f"{what} {group!r}; it answers {_names(list(named))}")
        parts.append(named[found[0]])
    batched = parts[0].ndim == 3
    if batched and all(part.ndim == 3 and len(part) == 1 for part in parts):
        parts = [part[0] for part in parts]
    parts = [part[:, None] if part.ndim == 1 else part for part in parts]  # one number a row
    if not all(part.ndim == 2 and len(part) == len(parts[0]) for part in parts):
        raise MessageRefused(f"actions {[part.shape for part in parts]} do not join; expected (1, H, D) each")
    if not all(part.dtype.kind in "fiu" for part in parts):
        raise MessageRefused(f"actions of {[str(part.dtype) for part in parts]} are not numbers")
    return np.concatenate(parts, -1), info if isinstance(info, dict) else {}


def _split(name: str) -> tuple[str, str]:
    group, slash, key = name.partition("/")
    if not (slash and group and key):
        raise FieldRefused(f"{name}: entries for GR00T need a name group/name, such as video/front")
    return group, key


def _names(keys: list[Any]) -> str:
    return ", ".join(str(key)[:60] for key in keys[:8]) + (", ..." if len(keys) > 8 else "")
