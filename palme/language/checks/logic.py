"""Words that deny have their counterpart in a program, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator

from palme.language.checks.clauses import clauses
from palme.language.checks.looks import named_as
from palme.language.checks.nouns import Named
from palme.language.checks.said import Said
from palme.language.checks.violations import Violation
from palme.language.checks.written import Written
from palme.language.programs import calls as c
from palme.language.programs import things as t

_OF_THINGS = ("that", "that's", "which", "who", "is", "are", "was", "were", "has", "have")
_ABSENT = ("empty", "free", "bare", "clear", "missing", "gone", "absent", "lacking", "lacks", "without",
           "wrong", "false", "outside", "off", "out", "different", "other")  # fmt: skip
_FREEING = ("out", "empty", "clear", "unstack", "keep", "spread")


def logic(said: Said, written: Written) -> Iterator[Violation]:
    """Negations without their like on the other side."""
    yield from _negation_lost(said, written)
    yield from _negation_made(said, written)
    if said.corrected and written.moves and _is_taken_back(said):
        yield Violation("negation", "taken back", "you took that back")


def _negating(said: Said) -> list[str]:
    """Words that say no, without the "no" of a correction and the "not" of manners."""
    return [
        token.text
        for at, token in enumerate(said.tokens)
        if "neg" in token.claims and at >= said.corrected and not (at == said.corrected and at > 0)
        if said.asks(at) and not _is_contrast(said, at) and not _asks_so(said, at)
    ]


def _is_contrast(said: Said, at: int) -> bool:
    """ "next to it, not on top", "and nowhere else", "not the other way round": no act is denied."""
    clause = next((one for one in clauses(said.tokens) if at in one), None)
    if clause is None:
        return False
    before = [said.tokens[k] for k in clause if k < at]
    after = [said.tokens[k] for k in clause if k > at]
    if before and before[-1].text == "or" and not after:  # "or not"
        return True
    opens = all(token.text in ("and", "but", "so") or token.claims <= {"chat"} for token in before)
    verbs = any(token.has("verb put", "keep") and not token.has("rel", "side") for token in after)
    return (
        clause.start > 0
        and opens
        and not verbs
        and said.tokens[at].text in ("not", "nowhere", "nothing", "no", "never")
    )


def _asks_so(said: Said, at: int) -> bool:
    """ "isn't the red block small?" asks what "is it small?" does."""
    clause = next((one for one in clauses(said.tokens) if at in one), None)
    opens = clause is not None and all(said.tokens[k].claims <= {"chat"} for k in clause if k < at)
    return opens and said.is_question and said.tokens[at].text.endswith(("n't", "nt"))


def _negation_lost(said: Said, written: Written) -> Iterator[Violation]:
    words = _negating(said)
    excepting = [token.text for token in said.heard if "except" in token.claims]
    contrasted = any(one.negated for one in said.things) and (
        not _verbal(said) or _only_left_out(said, written)
    )
    asks = written.answers and not written.moves
    late = [
        token
        for at, token in enumerate(said.tokens)
        if at > 2 and "neg" in token.claims and said.standings[at] != "chatter"
        if not _asks_so(said, at) and not _is_contrast(said, at)
    ]
    if asks and late and not written.of(t.Not, t.Except, t.Is, t.Alike, c.Possible, c.Compare):
        yield Violation("negation", late[0].text, f"nothing of it is about {late[0].text!r}")
    if words and not written.negates and not contrasted and not asks:
        yield Violation("negation", words[0], f"nothing of it is about {words[0]!r}")
    if excepting and not written.negates and not said.has("contrast") and not asks:
        yield Violation(
            "negation", excepting[0], f"nothing of it leaves anything out, as in {excepting[0]!r}"
        )
    yield from _negated_looks(said, written)
    yield from _negated_things(said, written)
    keeping = [
        t
        for t in said.kept
        if "keep" in t.claims
        and not (t.text == "alone" and not said.has_word("leave", "leaves", "left"))
        and t.text in ("untouched", "alone", "hands off", "keep", "stay", "stays")
    ]
    keeps = written.negates or not written.moves or {"left", "right", "gather", "spread"} & written.words
    if keeping and not keeps and not said.has_word("keep going"):
        yield Violation(
            "negation",
            keeping[0].text,
            f"nothing of it is kept, as in {keeping[0].text!r}",
            len(keeping) > 1 or keeping[0].text in ("untouched", "alone", "hands off"),
        )
    if _starts_with_halt(said) and written.moves:
        yield Violation("negation", "stop", "you say stop")


def _only_left_out(said: Said, written: Written) -> bool:
    """ "Put it here, do not put it in the bowl": what is denied is nothing that the program names."""
    denied = [one for one in said.things if one.negated and not one.pronoun]
    others = [one for one in said.wanted if not one.negated and (one.looks or one.kinds)]
    uses = [use for one in denied for use in written.uses if one in named_as(use, said)]
    again = any(_is_taken_up(one, other, said) for one in denied for other in said.things)
    return bool(denied) and (bool(others) and not uses or again)


def _verbal(said: Said) -> bool:
    """ "do not", "don't", "never": what is denied is an act."""
    tokens = said.kept
    for at, token in enumerate(tokens):
        if (
            token.text in ("never", "without", "avoid", "avoiding", "cannot", "refrain")
            or token.text.endswith(("n't", "nt"))
            and "neg" in token.claims
        ):
            return True
        if (
            token.text == "not"
            and at
            and tokens[at - 1].text
            in ("do", "does", "must", "should", "may", "can", "will", "is", "are", "shall", "need", "would")
        ):
            return True
    return False


def _negated_looks(said: Said, written: Written) -> Iterator[Violation]:
    """ "the block that is not red", "which aren't in a bowl": said of things, not of acts."""
    tokens = said.heard
    if not (written.moves or written.answers) or _leaves_out(written) or said.has_word("full"):
        return
    for at, token in enumerate(tokens):
        before = [one.text for one in tokens[max(at - 2, 0) : at]]
        described = (
            bool({"that", "that's", "which", "who", "whichever"} & set(before)) and "neg" in token.claims
        )
        if described and before[-1] not in _OF_THINGS:
            described = False
        if described or token.text == "non":
            yield Violation("negation", token.text, f"nothing of it is about {token.text!r}")
            return
    every = any(use.quantifier in ("all", "each") and not use.relation for use in written.uses if use.acts)
    for one in said.wanted if every else ():
        if (
            one.negated
            and one.colours
            and not one.before - {"joined"}
            and said.denied_by(one.start) is not None
        ):
            yield Violation(
                "negation", min(one.colours), f"nothing of it leaves out the {min(one.colours)} one"
            )
            return


def _leaves_out(written: Written) -> bool:
    return (
        bool(written.of(t.Not, t.Except, c.Compare))
        or any(not one.same for one in written.of(t.Alike))
        or any(one.negated or one.otherwise for one in written.of(c.If))
        or any(one.verb == "keep" for one in written.of(c.Do))
    )


def _negated_things(said: Said, written: Written) -> Iterator[Violation]:
    """A thing right after a "not" is no thing that is moved or a goal."""
    freed = any(one.verb in _FREEING for one in written.of(c.Do))
    turned = any(one.negated or one.otherwise for one in written.of(c.If)) or bool(written.of(c.Joint))
    if turned or not written.moves:
        return
    for one in said.things:
        if not one.negated or not one.colours or one.dropped:
            continue
        uses = [use for use in written.uses if one in named_as(use, said) and use.acts]
        again = any(
            other is not one
            and not other.negated
            and not other.dropped
            and (other.colours == one.colours or _is_taken_up(one, other, said))
            for other in said.things
        )
        if (
            uses
            and not any(use.negative for use in uses)
            and not again
            and not freed
            and not written.of(t.Not, t.Except)
        ):
            colour = min(one.colours)
            yield Violation("negation", colour, f"you say not the {colour} one")


def _is_taken_up(one: Named, other: Named, said: Said) -> bool:
    """ "do not put the red block here, put it there": the pronoun of a clause that denies nothing."""
    return (
        other.pronoun
        and other.start > one.end
        and said.is_denied(one)
        and said.denied_by(other.start) is None
    )


def _starts_with_halt(said: Said) -> bool:
    words = [
        token for token in said.tokens if "mark" not in token.claims and token.text not in ("please", "robot")
    ]
    if not words or "halt" not in words[0].claims:
        return False
    return "correct" not in words[0].claims and len(said.wanted) < 2


def _is_taken_back(said: Said) -> bool:
    rest = said.kept
    return any("halt" in token.claims and "correct" not in token.claims for token in rest) and not any(
        one.looks or one.kinds or one.pronoun for one in said.wanted
    )


def _negation_made(said: Said, written: Written) -> Iterator[Violation]:
    negative = (
        any(not isinstance(one.filter, t.Is) for one in written.of(t.Not))
        or bool(written.of(t.Except))
        or any(one.verb == "keep" for one in written.of(c.Do))
        or any(one.negated for one in written.of(c.If))
        or any(one.not_first or one.not_second for one in written.of(c.Joint))
    )
    cues = said.has("neg", "except", "keep", "contrast", "unless", "else", "halt") or said.claims("quant") & {
        "rest"
    }
    turned = any(one.negated and one.otherwise for one in written.of(c.If))
    denied = said.has("neg", "except", "keep", "contrast", "unless") or said.has_word(*_ABSENT)
    if turned and not denied:  # "else" says nothing of which branch is which
        yield Violation("negation", "not", "you do not say 'not', and I understood: if it is not so")
    if (
        negative
        and not cues
        and not said.has_word(
            "wrong",
            "different",
            "outside",
            "other",
            "off",
            "out",
            "free",
            "but",
            "except",
            "besides",
            "apart",
        )
    ):
        yield Violation("negation", "not", "you do not say 'not', and what I understood leaves something out")
