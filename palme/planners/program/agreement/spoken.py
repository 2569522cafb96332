"""A program said back in plain English, to ask whether it is what was meant."""

from __future__ import annotations

from palme.language.programs import calls as c
from palme.language.programs import things as t

_PLURAL = {"thing": "things", "block": "blocks", "cylinder": "cylinders", "bowl": "bowls", "tower": "towers"}
_RELATIONS = {
    "in": "in", "on": "on", "under": "under", "left": "to the left of", "right": "to the right of",
    "front": "in front of", "behind": "behind", "next": "next to", "touching": "touching", "holding": "with",
    "far": "far from", "instead": "in place of", "larger": "larger than", "smaller": "smaller than",
}  # fmt: skip
_SIDES = {
    "left": "the left side of the table", "right": "the right side of the table",
    "front": "the front of the table", "behind": "the back of the table",
}  # fmt: skip
_VERBS = {
    "out": "take {} out", "empty": "empty {}", "clear": "take everything off {}", "unstack": "take {} apart",
    "reverse": "turn {} upside down", "gather": "bring {} together", "spread": "put {} apart",
    "keep": "leave {} where it is",
}  # fmt: skip
_ASKS = {
    "count": "say how many {} there are", "colour": "say which colour {} is", "size": "say how big {} is",
    "what": "say what {} is", "where": "say where {} is",
}  # fmt: skip
_WAYS = {"left": "to the left", "right": "to the right", "away": "away from you", "toward": "towards you"}


def spoken(program: c.Program) -> str:
    """Such as "put the small red block in the blue bowl, then empty the green bowl"."""
    return ", then ".join(_line(line) for line in program.lines)


def _line(line: c.Line) -> str:
    if not isinstance(line, c.If):
        return _call(line)
    test = f"if {'not: ' if line.negated else ''}{_condition(line.condition)}, "
    then = " and ".join(map(_line, line.then))
    more = f", otherwise {' and '.join(map(_line, line.otherwise))}" if line.otherwise else ""
    return test + then + more


def _condition(one: c.Condition) -> str:
    if isinstance(one, c.Joint):
        first, second = ("not: " if no else "" for no in (one.not_first, one.not_second))
        return f"{first}{_condition(one.first)} {one.word} {second}{_condition(one.second)}"
    if isinstance(one, c.Exists):
        return f"there is {_things(one.what)}"
    compared = {"=": "as many", ">": "more", "<": "fewer", ">=": "at least as many", "<=": "at most as many"}
    right = str(one.right) if isinstance(one.right, int) else _things(one.right, many=True)
    return f"there are {compared[one.comparison]} {_things(one.left, many=True)} as or than {right}"


def _call(call: c.Call) -> str:
    if isinstance(call, c.Put):
        return f"put {_things(call.what)} {_place(call.place)}"
    if isinstance(call, c.Move):
        ways = [(call.direction, call.cm), *([call.then] if call.then else [])]
        return f"move {_things(call.what)} {' and '.join(f'{cm} cm {_WAYS[way]}' for way, cm in ways)}"
    if isinstance(call, c.Stack):
        return f"build a tower, from the bottom: {_parts(call.parts, call.by)}"
    if isinstance(call, c.Arrange):
        return f"make a {call.shape}: {_parts(call.parts, call.by)}"
    if isinstance(call, c.Swap):
        return f"swap {_things(call.first)} and {_things(call.second)}"
    if isinstance(call, c.Do):
        return _VERBS[call.verb].format(_things(call.what))
    if isinstance(call, c.Ask):
        return _ASKS[call.question].format(_things(call.about, many=call.question == "count"))
    if isinstance(call, c.Exists):
        return f"say whether {_condition(call)}"
    if isinstance(call, c.Compare):
        return f"say whether {_condition(call)}"
    if isinstance(call, c.Possible):
        return f"say whether I could {_call(call.call)}"
    return "do nothing"


def _parts(parts: tuple[t.Things, ...], by: str | None) -> str:
    listed = ", ".join(map(_things, parts))
    return listed if by is None else f"{listed}, by {by}"


def _place(place: c.Place) -> str:
    if isinstance(place, c.At):
        far = "" if place.cm is None else f", {place.cm} cm from it"
        return f"{_RELATIONS[place.relation]} {_things(place.of)}{far}"
    if isinstance(place, c.BetweenPlace):
        return _between(place.first, place.second)
    if isinstance(place, c.OnTheTable):
        return "on the table"
    if isinstance(place, c.Middle):
        return "in the middle of the table"
    corner = "" if place.corner is None else f" and {_SIDES[place.corner]}"
    return f"at {_SIDES[place.side]}{corner}"


def _between(first: t.Things, second: t.Things | None) -> str:
    return f"between {_things(first)}" + ("" if second is None else f" and {_things(second)}")


def _things(things: t.Things, many: bool = False) -> str:
    if things.quantifier == "it":
        return "it"
    q = things.quantifier
    word = {"the": "the", "all": "all", "any": "any", "each": "each", "half": "half of the"}.get(
        str(q), str(q)
    )
    plural = many or q in ("all", "half") or (isinstance(q, int) and q > 1)
    return " and ".join(f"{'' if many else word + ' '}{_noun(noun, plural)}" for noun in things.nouns)


def _noun(noun: t.Noun, plural: bool) -> str:
    before: list[str] = [one.superlative for one in noun.filters if isinstance(one, t.Most)]
    before += [one.state for one in noun.filters if isinstance(one, t.Is)]
    looks = [word for word in (*before, noun.size, noun.colour) if word]
    kind = _PLURAL[noun.kind] if plural else noun.kind
    after = [_filter(one) for one in noun.filters if not isinstance(one, (t.Most, t.Is))]
    return " ".join([*looks, kind, *after])


def _filter(one: t.Filter) -> str:
    if isinstance(one, t.Not):
        return (
            f"that is not {one.filter.text if isinstance(one.filter, t.Attribute) else _filter(one.filter)}"
        )
    if isinstance(one, t.Related):
        return f"{_RELATIONS[one.relation]} {_things(one.to)}"
    if isinstance(one, t.OnTable):
        return "on the table"
    if isinstance(one, t.BetweenFilter):
        return _between(one.first, one.second)
    if isinstance(one, t.Closest):
        return f"{one.extreme} to {_things(one.to)}"
    if isinstance(one, t.Nth):
        return f"that is number {one.n} from the {one.side}"
    if isinstance(one, t.Except):
        return f"except {_things(one.those)}"
    if isinstance(one, t.Among):
        return f"among {_things(one.group)}"
    if isinstance(one, t.Alike):
        return f"of {'the same' if one.same else 'another'} {one.trait}"
    return one.text
