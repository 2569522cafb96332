"""Where: relations before the very things that they lead to, sides, superlatives."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from palme.language.checks.counterparts import counterparts
from palme.language.checks.looks import named_as
from palme.language.checks.nouns import Named
from palme.language.checks.said import Said
from palme.language.checks.violations import Violation
from palme.language.checks.written import Use, Written
from palme.language.programs import calls as c
from palme.language.programs import things as t

_STRICT = frozenset("in on under left right front behind between next".split())
"""Relations of which at most one leads to a thing."""


def places(said: Said, written: Written) -> Iterator[Violation]:
    """Relations that are not said, or lead to something else."""
    yield from _unsaid_words(said, written)
    yield from _unwritten_words(said, written)
    if not written.moves and not written.answers:
        return
    yield from _superlatives(said, written)
    for use in written.uses:
        yield from _led_to(use, said, written)
    yield from _not_led_to(said, written)
    yield from _put_where_it_was(said, written)
    spot = any(
        said.words[k : k + 3] in (("where", "it", "was"), ("where", "it", "stood"), ("where", "it", "is"))
        for k in range(len(said.words))
    )
    if spot and written.moves and not written.of(c.Swap) and "instead" not in written.words:
        told = "nothing of it is where it was"
        sure = said.has_word("spot", "place", "position")
        yield Violation("relation", "where it was", told).if_sure(sure)
    yield from _table(said, written)


def _unsaid_words(said: Said, written: Written) -> Iterator[Violation]:
    ordered = bool(written.of(c.Arrange, c.Stack))
    pair = bool(written.of(c.Swap)) and said.has("number 2")  # "the two bowls": one and the other
    for word, needed in counterparts().needs.items():
        if word in written.words and not said.has_word(*needed):
            if pair and word in ("leftmost", "rightmost", "frontmost", "backmost"):
                continue
            if not (ordered and word in ("left", "right")):
                # "the third one": of a number, from a side that is not said
                ranked = word in ("left", "right") and said.has("nth") and not said.has_word("left", "right")
                yield Violation("relation", word, f"you do not say {word}").if_sure(not ranked)
    if "front" in written.words and not said.has(
        "rel front", "side front", "sup frontmost", "way toward", "cond"
    ):
        if not said.has_word("front", "nearer", "closer", "near", "nearest", "closest", "bottom", "lower"):
            yield Violation("relation", "front", "you do not say in front of")


def _unwritten_words(said: Said, written: Written) -> Iterator[Violation]:
    if not written.moves and not written.answers:  # where a thing shall not go needs no counterpart
        return
    ordered = bool(written.of(c.Arrange)) or said.has("order left", "order right")
    swapped = bool(written.of(c.Swap))
    sided = bool({"left", "right", "leftmost", "rightmost"} & written.words)
    for name, (words, answers) in counterparts().said.items():
        if not answers & written.words and _says(said, words):
            if not (name in ("left", "right") and ordered) and not (swapped and name != "left"):
                told = f"nothing of it is {name}"
                both = sided and name in ("left", "right")  # "the left-right axis", "left or right"
                one = Violation("relation", name, told).if_sure(_says(said, words, "asks"))
                yield one.lightly() if both else one


def _superlatives(said: Said, written: Written) -> Iterator[Violation]:
    """ "the leftmost block" is no mere block."""
    ordered = written.of(c.Stack, c.Arrange, c.AtSide, c.Move, c.Do)
    for one in said.wanted:
        if not one.superlatives or one.superlatives <= {"largest", "smallest"} or ordered:
            continue
        uses = [use for use in written.uses if one in named_as(use, said)]
        ranked = (t.Most, t.Nth, t.Closest, t.Among)
        if uses and not any(isinstance(part, ranked) for use in uses for part in use.noun.filters):
            word = min(one.superlatives)
            tested = bool(written.of(c.If))
            yield Violation("superlative", word, f"nothing of it is {word}").if_sure(not tested)


def _says(said: Said, words: Collection[str], standing: str = "") -> bool:
    for at, token in enumerate(said.tokens):
        if at < said.corrected or said.standings[at] not in ((standing,) if standing else ("asks", "tells")):
            continue
        if "chat" in token.claims and "side right" not in token.claims and len(token.words) > 1:
            continue
        if (
            token.claim("quant")
            or "keep" in token.claims
            or "ask yes" in token.claims
            and token.text != "right"
        ):
            continue
        if len(token.words) > 1 and token.has("rel") and not token.has(*(f"rel {word}" for word in words)):
            continue
        if set(words) & set(token.words) and not _is_just_so(said, token):
            return True
    return False


def _is_just_so(said: Said, token: object) -> bool:
    """ "right" before a preposition, or at the end of a question, is no side."""
    at = next(k for k, one in enumerate(said.tokens) if one is token)
    one = said.tokens[at]
    if one.text != "right":
        return False
    before = said.tokens[at - 1] if at else None
    after = said.tokens[at + 1] if at + 1 < len(said.tokens) else None
    if before is None and after is not None and not after.has("kind", "colour", "size", "quant"):
        return True
    if before is not None and before.text in ("the", "to", "on", "from", "at", "is"):
        return False
    return after is not None and (after.has("rel") or after.text == "?") and "rel from" not in after.claims


def _led_to(use: Use, said: Said, written: Written) -> Iterator[Violation]:
    named = [one for one in named_as(use, said) if not one.negated or use.negative] or named_as(use, said)
    if not use.relation or use.relation in ("is", "as", "larger", "smaller", "instead"):
        led = [one.before & _STRICT for one in named if "joined" not in one.before]
        put = isinstance(written.program.lines[use.line], c.Put)
        if use.acts and put and not use.relation and not use.negative and use.noun.colour:
            if named and len(led) == len(named) and all(led) and not _turned(said, "in", "on", "under"):
                yield Violation(
                    "role", use.noun.text, f"the {use.noun.colour} one is not what you want moved"
                )
        return
    allowed = set(counterparts().leads.get(use.relation, {use.relation}))
    if not use.place:
        allowed |= counterparts().taken.get(use.relation, frozenset())
    if use.noun.kind == "bowl":
        allowed |= {"in", "on"} if use.relation in ("in", "on") else set()
        allowed -= {"to"} if use.relation == "next" else set()
    if any(one.before & allowed for one in named):
        return
    if use.negative and use.relation == "in" and said.has_word("outside", "out"):
        return
    if any(one.pronoun and one.before & allowed for one in said.things) or _bare(said, allowed):
        return
    strict = any(one.before & _STRICT for one in named)
    if said.has_word(*counterparts().turned.get(use.relation, ())) and not strict:
        return
    if not named or use.relation in ("nearest", "furthest", "far"):
        return
    said_of_other = any(one.before & allowed for one in said.things)
    never_said = not any(token.claim("rel") & allowed for token in said.tokens)
    other_said = any(token.claim("rel") & _STRICT for token in said.tokens)
    words = f"{use.relation} the {use.noun.colour or ''} {use.noun.kind}".replace("  ", " ")
    if any(_has_it_aside(one, use.relation, said) for one in named):
        return
    sure = strict or said_of_other or (never_said and (other_said or not use.place))
    loose = use.place and use.noun.kind == "bowl" and use.relation == "in" and not strict
    sure = sure and not loose  # "which bowl you like for it"
    if never_said and not other_said and use.place and use.noun.kind == "bowl" and use.relation == "in":
        return  # "green block, blue bowl": there is nothing else to do with a bowl
    yield Violation("relation", words, f"you do not say {words}", sure, grave=not sure)


def _not_led_to(said: Said, written: Written) -> Iterator[Violation]:
    """ "onto the cyan block", where the program has it in another relation alone."""
    if not written.moves or said.corrected or written.of(c.If, c.Stack, c.Arrange, c.Swap, c.Do):
        return
    for one in said.wanted:
        led = one.before & {"in", "on"}
        if not led or len(one.before) > 1 or one.negated or not one.looks or not said.asks(one.start):
            continue
        uses = [use for use in written.uses if one in named_as(use, said)]
        fits = any(
            not use.relation or use.relation in ("in", "on", "as", "is", "instead", "under") for use in uses
        )
        if uses and not fits:
            (word,) = led
            what = said.tokens[one.end - 1].text
            yield Violation("relation", word, f"nothing of it is {word} the {what}", sure=False, grave=True)


def _put_where_it_was(said: Said, written: Written) -> Iterator[Violation]:
    """ "the red block out of the blue bowl" is nothing that goes into it."""
    pairs = [
        (first, second)
        for first, second in zip(said.things[:-1], said.things[1:], strict=True)
        if "from" in second.before and not second.before & {"in", "on", "joined"} and not second.dropped
    ]
    for line in written.of(c.Put):
        if not isinstance(line.place, c.At) or line.place.relation != "in":
            continue
        uses = Written(c.Program((line,))).uses
        movers = [use for use in uses if not use.relation][:1]
        goals = [use for use in uses if use.place][:1]
        for first, second in pairs:
            out = any(first in named_as(use, said) for use in movers)
            if out and any(second in named_as(use, said) and use.noun.colour for use in goals):
                yield Violation("role", line.text, "what shall come out of it is put into it")
                return


def _has_it_aside(named: Named, relation: str, said: Said) -> bool:
    """ "on the bowl's right side", "with a block behind it": a relation that stands after its thing."""
    after = said.tokens[named.end : named.end + 2]
    return any(token.has(f"side {relation}") for token in after)


def _turned(said: Said, *relations: str) -> bool:
    return any(
        said.has_word(*counterparts().turned[one]) for one in relations if one != "under"
    ) and said.has_word("fill", "contain", "hold", "contains", "holds", "with", "supports", "carries")


def _bare(said: Said, allowed: set[str]) -> bool:
    """ "put it inside", "and the red one on top": the relation stands alone."""
    for k, token in enumerate(said.tokens):
        if token.claim("rel") & allowed - {"to"}:
            if len(token.words) > 1 and token.words[-1] in ("it", "them", "there"):
                return True
            after = said.tokens[k + 1] if k + 1 < len(said.tokens) else None
            if (
                after is None
                or "mark" in after.claims
                or after.text in ("and", "too", "then", "instead", "again")
            ):
                return True
    return said.has_word("there", "where", "same") and bool(allowed & {"in", "on", "next", "left", "right"})


def _table(said: Said, written: Written) -> Iterator[Violation]:
    down = said.has("table", "rel off") or said.has_word(
        "out", "off", "down", "nowhere", "anywhere", "tabletop", "bowls"
    )
    if written.of(c.OnTheTable) and not down:
        yield Violation("relation", "table", "you do not name the table")
    if written.of(c.Middle) and not said.has("middle"):
        yield Violation("relation", "middle", "you do not name the middle")
    if written.of(c.AtSide) and not said.has(
        "side", "border", "sup", "way", "rel left", "rel right", "rel front", "rel behind"
    ):
        yield Violation("relation", "side", "you do not name a side of the table")
    on_table = bool(written.of(c.OnTheTable, c.AtSide, c.Middle, t.OnTable, c.Do, c.Arrange, c.Stack, c.Move))
    for at, token in enumerate(said.kept):
        if token.text in ("table", "tabletop", "desk", "desktop", "table top") and not on_table:
            if said.denied_by(at + said.corrected) is not None:
                continue
            if (
                at
                and said.kept[at - 1].text in ("on", "onto", "to")
                or said.kept[at - 2 : at - 1]
                and (
                    said.kept[at - 2].text in ("on", "onto", "to")
                    and said.kept[at - 1].text in ("the", "my", "our")
                )
            ):
                yield Violation(
                    "relation",
                    "table",
                    "nothing of it is about the table",
                    written.moves and not written.answers and not written.of(c.If),
                )
