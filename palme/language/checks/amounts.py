"""How many and how far: numbers, distances and quantifiers."""

from __future__ import annotations

from collections.abc import Iterator

from palme.language.checks.looks import named_as
from palme.language.checks.nouns import Named
from palme.language.checks.said import Said
from palme.language.checks.violations import Violation
from palme.language.checks.written import Use, Written
from palme.language.programs import calls as c
from palme.language.programs import things as t

SOME_WAY, A_GOOD_WAY = (2, 3, 5), (10, 12, 15)
"""[cm] of moves without a length: "a bit", and "a lot"."""


def amounts(said: Said, written: Written) -> Iterator[Violation]:
    """Numbers and quantifiers without their like on the other side."""
    yield from _distances(said, written)
    yield from _numbers(said, written)
    before: Use | None = None
    for use in written.uses:
        listed = (
            before is not None
            and use.among > 1
            and (before.line, before.relation) == (use.line, use.relation)
        )
        before = use
        if not listed:
            yield from _quantifier(use, said, written)
    yield from _universal(said, written)


def _lengths(written: Written) -> list[int]:
    found = [one.cm for one in written.of(c.At) if one.cm is not None]
    for move in written.of(c.Move):
        found += [move.cm, *([move.then[1]] if move.then else [])]
    return found


def _distances(said: Said, written: Written) -> Iterator[Violation]:
    kept = [one.cm for one in said.distances if one.at >= said.corrected]
    given = _lengths(written)
    for cm in given:
        if not any(abs(cm - one) <= 0.5 for one in kept):
            far = said.has_word("lot", "much", "far", "good", "well")
            loose = not kept and cm in (A_GOOD_WAY if far else SOME_WAY)
            sized = not kept and said.has_word("width", "widths", "length", "lengths")
            if not loose and not sized and cm not in [value for value, _ in said.figures]:
                yield Violation("distance", f"{cm} cm", f"you do not say {cm} cm")
    for one in kept:
        if not any(abs(cm - one) <= 0.5 for cm in given):
            yield Violation("distance", f"{one:g} cm", f"nothing of it is {one:g} cm")


def _numbers(said: Said, written: Written) -> Iterator[Violation]:
    counts = {use.quantifier for use in written.uses if isinstance(use.quantifier, int)}
    compared = {one.right for one in written.of(c.Compare) if isinstance(one.right, int)}
    ranks = {one.n for one in written.of(t.Nth)}
    values = {value for value, _ in said.figures}
    ordinals = {int(n) for n in said.claims("nth")}
    lists = {len(one.parts) for one in written.of(c.Stack, c.Arrange)} | {use.among for use in written.uses}
    lists |= {len(written.program.lines)}
    given = counts | compared | ranks | lists | set(_lengths(written))
    for value in values:
        if value not in given and not _paired(value, written) and not _is_denied(value, said):
            told = f"nothing of it is {value:g}"
            yield Violation("number", f"{value:g}", told).if_sure(
                not _is_of_a_group(value, said) and not written.of(c.If)
            )
    for n in counts - values:
        one = n == 1 and (said.claims("quant") & {"any"} or said.has_word("one"))
        if not one and not (n == 2 and said.has_word("both")):
            yield Violation("number", str(n), f"you do not say {n}")
    for n in compared - values:
        if not (n in (0, 1) or (n == 2 and said.has_word("one", "several", "multiple"))):
            yield Violation("number", str(n), f"you do not say {n}")
    for n in ranks - ordinals - values:
        if not (n == 1 and said.has_word("first")):
            yield Violation("number", str(n), f"you do not say number {n}")
    listed = said.has("then") or bool(written.of(c.Stack, c.Arrange)) or said.has_word("former", "latter")
    for n in ordinals - ranks - given:
        if not listed:
            yield Violation("number", f"number {n}", f"nothing of it is number {n}")


def _places(value: float, said: Said) -> list[int]:
    return [at for number, at in said.figures if number == value]


def _is_denied(value: float, said: Said) -> bool:
    """ "not one, not three", "no more than two", and numbers of chatter."""
    return all(
        said.standings[at] == "chatter"
        or any(
            "neg" in token.claims or token.text in ("no more than", "more than")
            for token in said.tokens[max(at - 2, 0) : at]
        )
        or "neg" in said.tokens[at].claims
        for at in _places(value, said)
    )


def _is_of_a_group(value: float, said: Said) -> bool:
    """ "of the four cylinders", "these three blocks": all that there are, of which something is said."""
    return all(
        not said.asks(at)
        or (at > 0 and "definite" in said.tokens[at - 1].claims)
        or (at > 0 and (said.tokens[at - 1].text == "all" or said.tokens[at - 1].words[-1] == "of"))
        for at in _places(value, said)
    )


def _is_of_the(at: int, said: Said) -> bool:
    """ "of the two red blocks"."""
    before = [word for token in said.tokens[max(at - 2, 0) : at] for word in token.words]
    return before[-2:-1] == ["of"] and "definite" in said.tokens[at - 1].claims


def _paired(value: float, written: Written) -> bool:
    pairs = (c.Swap, c.BetweenPlace, t.BetweenFilter, t.Among)
    if value == 2:
        colours = {use.noun.text for use in written.uses}
        return bool(written.of(*pairs)) or len(colours) == 2 or any(use.noun.filters for use in written.uses)
    return value == 1


def _quantifier(use: Use, said: Said, written: Written) -> Iterator[Violation]:
    if not use.acts or use.quantifier in ("it",):
        return
    named = named_as(use, said)
    amounts = frozenset[str]().union(*(one.amounts for one in named)) if named else frozenset()
    plural = any(one.plural for one in named)
    whole = any(one.whole for one in named) or (use.noun.kind == "thing" and said.has("whole", "quant rest"))
    words = f"{use.quantifier} {use.noun.kind}"
    mover = not use.relation and not use.negative
    if isinstance(use.quantifier, int) and mover and use.quantifier > 1:
        places = _places(use.quantifier, said)
        if said.has_word("single", "either") and not use.place:
            yield Violation("quantifier", words, f"you ask for one, and not for {use.quantifier}")
        elif places and use.noun.filters and all(_is_of_the(at, said) for at in places):
            yield Violation("quantifier", words, f"you name {use.quantifier}, of which one is meant")
    if use.quantifier in ("all", "each"):
        none = any(one.negated for one in named)  # "no red block may stay": all of them go
        universal = bool(amounts & {"all", "each", "rest"}) or plural or whole or none
        described = said.has("ask what", "verb empty") or said.has_word(
            "what", "whatever", "which", "contents", "only", "any"
        )
        apart = use.noun.kind == "tower" and bool(written.of(c.Do))
        if not universal and not (described and use.noun.kind == "thing") and not use.negative and not apart:
            yield Violation("quantifier", words, f"you do not say {words}", mover or use.place)
        if use.negative and named and all(one.amounts & {"1", "any"} and not one.plural for one in named):
            yield Violation("quantifier", words, f"you do not say {words}")
    elif use.quantifier == "any":
        loose = said.has_word("either", "whichever", "any", "single") or said.has("number 1")
        if not (amounts & {"any", "1"}) and not loose and mover:
            yield Violation("quantifier", words, "you do not say that any will do")
    elif use.quantifier == "half" and not said.has_word("half"):
        yield Violation("quantifier", words, "you do not say half")
    elif use.quantifier == "the" and mover and named and use.among == 1:
        many = all(one.plural or one.amounts & {"all", "each"} for one in named)
        many = many and not (use.noun.filters and all(_is_partitive(one, said) for one in named))
        if many and not _is_listed(said, written) and use.noun.kind not in ("tower",):
            yield Violation("quantifier", words, f"you name several, and not one {use.noun.kind}")


def _is_partitive(named: Named, said: Said) -> bool:
    """ "of the blue blocks", "two green cylinders, right?": a group that one is picked out of."""
    if not said.asks(named.start):
        return True
    before = [token.text for token in said.tokens[max(named.start - 3, 0) : named.start]]
    return bool({"of", "among", "from", "out of", "one of", "amongst", "from among"} & set(before)) or (
        "one of" in (token.text for token in said.tokens[named.start : named.end])
    )


def _is_listed(said: Said, written: Written) -> bool:
    """ "the red and blue blocks": the plural is that of a list."""
    joins = {",", "and", "or", "&", "both"}
    elided = any(
        one.looks and not one.kinds and one.end < len(said.tokens) and said.tokens[one.end].text in joins
        for one in said.things
    )
    return (
        elided
        or bool(written.of(c.Swap))
        or any(len(one.parts) > 1 for one in written.of(c.Stack, c.Arrange))
    )


def _is_rest(said: Said, at: int) -> bool:
    """ "the others", and not "or on anything else", which is denied."""
    token = said.tokens[at]
    compared = any(one.text == "than" for one in said.tokens[max(at - 2, 0) : at])
    denied = compared or token.text == "anything else" or (at > 0 and "neg" in said.tokens[at - 1].claims)
    return "rest" in token.claim("quant") and token.text != "remain" and not denied


def _universal(said: Said, written: Written) -> Iterator[Violation]:
    asking = [token for at, token in enumerate(said.tokens) if at >= said.corrected and said.asks(at)]
    universal = [
        token for token in asking if token.claim("quant") & {"all", "each"} and "order" not in token.text
    ]
    whole = any("whole" in token.claims and token.text.startswith("every") for token in asking)
    quantifiers = {use.quantifier for use in written.uses}
    several = bool(quantifiers & {"all", "each", "half"}) or any(isinstance(q, int) for q in quantifiers)
    broad = bool(written.of(c.Nothing, c.Refuse, c.Compare, t.Except)) or any(
        one.verb in ("empty", "clear", "unstack", "gather", "spread", "keep") for one in written.of(c.Do)
    )
    asked = any(one.question in ("count", "what") for one in written.of(c.Ask))
    if (universal or whole) and not several and not broad and not asked and len(written.uses) < 3:
        told = "nothing of it is about all of them"
        yield Violation("quantifier", "all", told).if_sure(not written.of(c.Swap))
    other = [
        token
        for at, token in enumerate(said.tokens)
        if at >= said.corrected and said.asks(at) and _is_rest(said, at)
    ]
    leaves_out = bool(written.of(t.Except, t.Not, t.Alike, c.Do)) or bool(
        {"not", "larger", "smaller"} & written.words
    )
    if other and not leaves_out and not written.of(c.Stack, c.Arrange, c.Swap, c.If, c.Nothing):
        yield Violation(
            "quantifier", other[0].text, f"nothing of it is about {other[0].text}", not said.has("again")
        )
    if said.has_word("most", "several", "few", "many", "majority") and not said.has(
        "ask count", "compare", "sup"
    ):
        if not ({"all", "gather", "spread"} & written.words):
            yield Violation("quantifier", "several", "how many of them is not said", False)
