"""If, otherwise, more than: conditions and comparisons have their counterpart in a program."""

from __future__ import annotations

from collections.abc import Iterator

from palme.language.checks.said import Said
from palme.language.checks.tokens import Token
from palme.language.checks.violations import Violation
from palme.language.checks.written import Written
from palme.language.programs import calls as c
from palme.language.programs import things as t

_COMPARED = {">": {"more"}, "<": {"fewer"}, ">=": {"least"}, "<=": {"most"}, "=": {"same"}}


def conditions(said: Said, written: Written) -> Iterator[Violation]:
    """Conditions and comparisons without their like on the other side."""
    yield from _condition(said, written)
    yield from _comparison(said, written)
    if any(one.then == one.otherwise for one in written.of(c.If)):
        yield Violation("condition", "otherwise", "it would do the same in either case")


def _condition(said: Said, written: Written) -> Iterator[Violation]:
    conditional = [token for token in said.kept if "if" in token.claims]
    tests = written.of(c.If)
    firm = [
        token
        for token in conditional
        if token.text not in ("when", "once", "whether", "suppose", "supposing", "should you", "should it")
    ]
    by_looks = bool(written.of(t.Not, t.Except)) and said.has_word("it", "they", "one")
    if firm and not tests and not written.answers and not by_looks:
        yield Violation("condition", firm[0].text, f"nothing of it is conditional, as in {firm[0].text!r}")
    if (
        tests
        and not said.has("if", "unless", "else")
        and not said.has_word("when", "where", "or", "should", "then", "whichever")
    ):
        yield Violation("condition", "if", "you do not say 'if'")
    yield from _denied_conditions(said, tests)
    otherwise = [
        token.text for token in said.kept if "else" in token.claims and token.text not in ("else", "if so")
    ]
    branches = any(one.otherwise for one in tests) or len(tests) > 1
    if otherwise and tests and not branches and not any(one.negated for one in tests):
        yield Violation("condition", otherwise[0], f"nothing of it is for {otherwise[0]!r}")
    twice = max(sum(mark(token) for token in said.kept) for mark in (_is_if, _is_question_mark)) > 1
    if (
        any(one.otherwise for one in tests)
        and not (otherwise or twice)
        and not said.has_word("else", "or", "if", "unless", "instead")
    ):
        yield Violation("condition", "otherwise", "you do not say 'otherwise'")
    unless = [token for token in said.kept if "unless" in token.claims and token.text == "unless"]
    named_so = said.has("verb empty", "verb clear", "neg")  # then "empty" is no counterpart of "unless"
    turned = any(one.negated or one.otherwise for one in tests) or bool(written.of(t.Not, c.Compare, c.Joint))
    if unless and tests and not (turned if named_so else written.negates):
        yield Violation("condition", "unless", "nothing of it is about 'unless'")


def _is_if(token: Token) -> bool:
    return "if" in token.claims


def _is_question_mark(token: Token) -> bool:
    return token.text == "?"


def _denied_conditions(said: Said, tests: tuple[c.If, ...]) -> Iterator[Violation]:
    """ "If there is no ..." tests for what is not."""
    clauses = _clauses(said)
    if len(tests) != 1 or len(clauses) != 1 or said.has("unless"):
        return
    (test,), (denied,) = tests, clauses
    parts = Written(c.Program((c.If(test.condition, (c.Nothing(),)),)))
    turned = test.negated or bool(parts.of(t.Not, t.Is, t.Except, t.Alike, c.Compare, c.Joint))
    if denied and not turned:
        yield Violation("condition", "not", "nothing of its condition is denied")
    if test.negated and not denied and not test.otherwise and not said.has("else"):
        yield Violation("condition", "not", "you do not say 'not' in the condition")


def _clauses(said: Said) -> list[bool]:
    """Whether each condition has a "no" in it."""
    found = []
    for at, token in enumerate(said.tokens):
        if at >= said.corrected and "if" in token.claims and token.text not in ("if not", "only if"):
            clause = []
            for one in said.tokens[at + 1 :]:
                if one.text in (",", ";", ".", "then", ":") or (
                    one.has("verb put") and one.text in ("put", "place", "move")
                ):
                    break
                clause.append(one)
            turned = at > 0 and "neg" in said.tokens[at - 1].claims and said.tokens[at - 1].text != "no"
            denied = any("neg" in one.claims for one in clause) or "neg" in token.claims
            found.append(denied is not turned)
    return found


def _comparison(said: Said, written: Written) -> Iterator[Violation]:
    compared = written.of(c.Compare)
    claims = said.claims("compare")
    for one in compared:
        fits = _COMPARED[one.comparison] & claims
        numbered = (
            one.comparison in ("=", ">=")
            and isinstance(one.right, int)
            and not claims & {"more", "fewer", "most"}
        )
        none = one.right in (0, 1) and not claims & {"most"} or one.right == 2 and "more" in claims
        if not fits and not numbered and not none:
            yield Violation("comparison", one.comparison, f"you do not say {one.comparison}")
    strict = [
        token
        for token in said.kept
        if token.text
        in (
            "as many",
            "as many as",
            "more than",
            "fewer than",
            "less than",
            "at least",
            "at most",
            "no more than",
            "no fewer than",
        )
    ]
    exists = bool(written.of(c.Exists)) and all(token.text == "at least" for token in strict)
    if (
        strict
        and not exists
        and not compared
        and not (written.of(c.Ask) and not written.moves)
        and not _is_sized(written)
    ):
        sure = written.moves or written.answers
        yield Violation(
            "comparison", strict[0].text, f"nothing of it compares, as in {strict[0].text!r}", sure
        )


def _is_sized(written: Written) -> bool:
    return bool({"larger", "smaller", "largest", "smallest"} & written.words) or any(
        isinstance(use.quantifier, int) for use in written.uses
    )
