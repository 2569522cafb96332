"""The calls of a program have their verbs, and a question is no order."""

from __future__ import annotations

from collections.abc import Iterator

from palme.language.checks.clauses import clauses
from palme.language.checks.counterparts import counterparts
from palme.language.checks.looks import named_as
from palme.language.checks.said import Said
from palme.language.checks.tokens import MARK
from palme.language.checks.violations import Violation
from palme.language.checks.written import Written
from palme.language.programs import calls as c
from palme.language.programs import things as t

_STAYING = frozenset({"stay", "stays", "remain", "remains", "staying", "be left", "stay put"})
_POLITE = {(verb, who) for verb in ("can", "could", "would", "will") for who in ("you", "we", "i", "ya", "u")}
_ASKED = {"ask colour": {"colour"}, "ask where": {"where"}, "ask count": {"count"}}


def calls(said: Said, written: Written) -> Iterator[Violation]:
    """Calls that are not asked for, verbs without a call, orders for questions and the other way round."""
    for name in _names(written):
        cues = counterparts().cues.get(name)
        asked = said.ends_with_question_mark and name in ("what", "where", "exists")
        if cues and not said.has(*cues) and not asked:
            yield Violation(
                "call", name, f"you do not ask to {name}" if name in c.VERBS else f"you do not say {name}"
            )
    if written.of(c.Swap) and said.has("verb swap") is False and said.words.count("where") < 2:
        yield Violation("call", "swap", "you do not ask to swap")
    for name, (words, answers) in counterparts().verbs.items():
        if said.has_word(*words) and not answers & written.words and _is_kept(said, words):
            if written.moves or written.answers:
                yield Violation("call", name, f"nothing of it is about {name!r}")
    yield from _questions(said, written)
    yield from _orders(said, written)
    yield from _left_undone(said, written)


def _left_undone(said: Said, written: Written) -> Iterator[Violation]:
    """A program that moves nothing, where a clause without a "not" asks for something to be done."""
    if written.moves or written.answers:
        return
    for clause in clauses(said.tokens):
        denied = next((at for at in clause if "neg" in said.tokens[at].claims), None)
        stays = [
            at for at in clause if denied is not None and at > denied and said.tokens[at].text in _STAYING
        ]
        if stays and written.of(c.Do):  # "do not let it stay there"
            yield Violation("call", "keep", f"you do not want it to {said.tokens[stays[0]].text}")
            return
    if written.of(c.Nothing) and not said.has("neg", "halt", "keep", "correct", "except"):
        yield Violation("call", "nothing", "you do not say that nothing is to be done")
    for clause in clauses(said.tokens):
        part = [said.tokens[at] for at in clause if at >= said.corrected and said.asks(at)]
        first = next((token for token in part if "chat" not in token.claims or token.has("verb")), None)
        still = any({"neg", "keep", "halt", "except"} & token.claims for token in part)
        named = any(token.has("colour", "kind") for token in part)
        told = (
            named and any(token.has("verb put") for token in part) and any(token.has("rel") for token in part)
        )
        if first is not None and (first.has("verb") or told) and not still and len(part) > 1:
            yield Violation("call", first.text, f"nothing is done, although you say {first.text!r}")
            return


def _names(written: Written) -> list[str]:
    found = []
    for one in written.of(*(c.Stack, c.Arrange, c.Swap, c.Do, c.Move, c.Ask, c.Possible)):
        found.append(one.text.split()[0])
    tested = {id(part) for test in written.of(c.If) for part in (test.condition,)}
    joint = {id(part) for one in written.of(c.Joint) for part in (one.first, one.second)}
    found += ["exists" for one in written.of(c.Exists) if id(one) not in tested | joint]
    return found


def _is_kept(said: Said, words: frozenset[str]) -> bool:
    return any(
        words & set(token.words)
        and not token.has("quant")
        and not (token.text == "row" and at > 0 and "definite" in said.tokens[at - 1].claims)  # "of the row"
        for at, token in enumerate(said.tokens)
        if at >= said.corrected
    )


def _questions(said: Said, written: Written) -> Iterator[Violation]:
    yield from _counted(said, written)
    yield from _either(said, written)
    if (
        written.answers
        and not said.is_question
        and not said.has("ask count", "ask tell", "ask where", "ask possible", "ask yes", "ask what")
    ):
        yield Violation("question", "?", "you do not ask anything")
    if written.answers and not written.moves and not said.is_question:
        yield Violation("question", "?", "it may be no question", False)
    asked = {name for claim, names in _ASKED.items() if said.has(claim) for name in names}
    if not written.moves and not written.answers:
        return
    if said.is_question and written.moves:
        polite = said.has("ask possible", "chat") and said.has_word("you", "we", "mind") or said.has("if")
        polite = polite or _asks_leave(said)
        told = not said.ends_with_question_mark and said.has("rel", "verb put")
        plain = (
            not told
            and not _begins_politely(said)
            and any(
                said.has(claim) and _first_asks(said, claim)
                for claim in ("ask colour", "ask where", "ask count", "ask size", "ask what")
            )
        )
        first = next((token for token in said.tokens if MARK not in token.claims), said.tokens[0])
        verdict = first.text in ("is", "are", "does", "do", "is there", "are there")
        tested = bool(written.of(c.If)) and not said.ends_with_question_mark
        if (not polite and not told) or plain or (verdict and not tested):
            yield Violation("question", "?", "you ask something, and nothing shall move for it")
    judged = bool(said.tokens) and said.tokens[0].text in ("is", "are", "does", "do", "isn't", "aren't")
    if (
        "colour" in asked
        and not judged
        and written.answers
        and not written.moves
        and "colour" not in written.words
    ):
        yield Violation("question", "colour", "nothing of it is the colour")
    if _first_asks(said, "ask count") and written.answers and "count" not in written.words:
        yield Violation("question", "how many", "nothing of it is a number")
    where = any(token.has("ask where") for at, token in enumerate(said.tokens) if said.asks(at))
    if where and _first_asks(said, "ask where") and written.answers and not {"where"} & written.words:
        yield Violation("question", "where", "nothing of it is where")


def _counted(said: Said, written: Written) -> Iterator[Violation]:
    """ "how many blocks does the tower have" counts blocks."""
    counts = [one for one in written.of(c.Ask) if one.question == "count"]
    uses = [use for use in written.uses if not use.acts and not use.relation]
    for at, token in enumerate(said.tokens):
        if "ask count" not in token.claims or not counts or token.text in ("count", "total", "number"):
            continue
        named = next((one for one in said.things if at < one.start <= at + 4 and one.kinds), None)
        if named is not None and not any(named in named_as(use, said) for use in uses):
            yield Violation("question", "count", f"you ask how many {said.tokens[named.end - 1].text}")
        return


def _either(said: Said, written: Written) -> Iterator[Violation]:
    """ "is it on the table or on a block", "bigger block: orange or cyan": one of two, no yes and no size."""
    if written.moves or not said.is_question and not said.has("sup", "size"):
        return
    ors = [at for at, token in enumerate(said.tokens) if token.text == "or"]
    asks = [one for one in written.of(c.Ask) if one.question in ("colour", "size", "count")]
    simple = written.of(c.Exists) and not written.of(c.Joint) and len(written.of(c.Exists)) == 1
    named = all(len(use.noun.filters) == 0 for use in written.uses)
    for at in ors:
        after = [token.text for token in said.tokens[at + 1 : at + 3]]
        listed = any(one.start > at and one.looks for one in said.things) or said.tokens[at - 1].has("side")
        again = any(
            token.has("ask yes", "rel", "side", "colour", "sup", "size")
            for token in said.tokens[at + 1 : at + 4]
        )
        if after[:1] in (["not"], ["more"], ["less"], ["fewer"], ["no"]) or not (listed or again):
            continue
        several = any(use.among > 1 for use in written.uses)
        if simple and not several or asks and named and not said.has("ask size", "ask colour", "ask count"):
            yield Violation("question", "or", "you ask which of two")
            return


def _asks_leave(said: Said) -> bool:
    """ "can the red block go into the bowl?"."""
    first = next((token for token in said.tokens if MARK not in token.claims), None)
    modal = first is not None and first.text in ("can", "could", "may", "might", "would", "should")
    return modal and said.has("rel") and said.has("verb put")


def _begins_politely(said: Said) -> bool:
    """ "could you ...", "would you be so kind as to ...": the question of an order."""
    opening = [word for token in said.tokens[:6] for word in token.words]
    return (
        any(pair in _POLITE for pair in zip(opening[:-1], opening[1:], strict=True)) or "can" in opening[:1]
    )


def _first_asks(said: Said, claim: str) -> bool:
    """Whether the first word that asks anything asks so."""
    first = next(
        (token for token in said.tokens if token.has("ask") and not token.has("quant", "number")), None
    )
    return first is not None and first.has(claim)


def _orders(said: Said, written: Written) -> Iterator[Violation]:
    for one in written.of(c.Stack, c.Arrange):
        sorts = said.claims("sort")
        if one.by in ("rainbow", "alphabet") and one.by not in sorts:
            yield Violation("order", one.by, f"you do not say {one.by}")
        by_size = bool(sorts & {"small", "large", "size"}) or said.has("size smallest", "size largest")
        if one.by in ("small", "large") and not by_size:
            loose = said.has("size") and said.has_word("to", "first", "last", "order", "size", "then")
            yield Violation("order", one.by, "you do not say by size").if_sure(not loose)
        if one.by in ("small", "large") and sorts & {"small", "large"} and one.by not in sorts:
            yield Violation("order", one.by, f"you do not say the {one.by} ones first")
        if one.by is None and sorts - {"colour"} and written.moves:
            yield Violation("order", min(sorts), f"nothing of it is by {min(sorts)}")
    if (
        written.of(t.Alike)
        and not said.has("same", "other", "quant rest", "sort", "hue", "again")
        and not said.has_word("another", "different", "as", "sort", "match")
    ):
        yield Violation("looks", "same colour", "you do not say of the same colour")
    if (
        said.has("same")
        and not written.of(t.Alike)
        and said.has_word("own", "matching", "corresponding", "respective")
        and written.moves
    ):
        yield Violation("looks", "matching", "nothing of it is of the same colour")
    for move in written.of(c.Move):
        for way in (move.direction, *([move.then[0]] if move.then else [])):
            side = {"away": "side behind", "toward": "side front"}.get(way, "")
            if way in ("away", "toward") and not said.has(f"way {way}", side):
                yield Violation("direction", way, f"you do not say {way}")
        ways = {move.direction, *([move.then[0]] if move.then else [])}
        for side in ("left", "right"):
            if not {side, f"{side}most"} & (ways | set(written.words)) and any(
                f"side {side}" in token.claims for token in said.heard
            ):
                told = f"nothing of it is {side}"
                yield Violation("direction", side, told).if_sure(not ways & {"left", "right"})
    only = {way for token in said.kept for way in token.claim("way") if len(token.claim("way")) == 1}
    if len(only) == 1 and written.of(c.Move) and said.distances:
        (way,) = only
        given = {
            one
            for move in written.of(c.Move)
            for one in (move.direction, *([move.then[0]] if move.then else []))
        }
        if way not in given and {"away", "toward"} & given:
            yield Violation("direction", way, f"nothing of it is {way}")
