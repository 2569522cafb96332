"""The things that a sentence names: looks, how many, what stands before them, what is only negated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from palme.language.checks.tokens import MARK, Token

_LINKS = frozenset(
    "that which is are thats that's who's in of being painted coloured colored colour color was with"
    " has".split()
)
_PASSED = frozenset("the very most all both".split())
_UNIVERSAL = frozenset({"all", "each", "rest"})


@dataclass(frozen=True)
class Named:
    """One noun phrase.

    Attributes:
        start, end: tokens from `start`, before `end`.
        colours, sizes, kinds: as claimed; a kind of "any" is "one", "piece"; () where nothing is said.
        superlatives: "leftmost", "largest", ...
        amounts: "all", "any", "each", "rest", "several", "definite", and numbers as text.
        plural: whether the noun is.
        before: relations that stand before it ("in", "left", "to", ...).
        pronoun: "it", "there".
        whole: "everything", "what is".
        dropped: it was taken back by the speaker: "the red, no, the blue one".
        negated: it is what is not meant, or not to be touched.
    """

    start: int
    end: int
    colours: frozenset[str] = frozenset()
    sizes: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    superlatives: frozenset[str] = frozenset()
    amounts: frozenset[str] = frozenset()
    plural: bool = False
    before: frozenset[str] = frozenset()
    pronoun: bool = False
    whole: bool = False
    dropped: bool = False
    negated: bool = False

    @property
    def looks(self) -> bool:
        """Whether a colour or a size is said."""
        return bool(self.colours or self.sizes)


@dataclass
class _Open:
    start: int = -1
    parts: list[Token] = field(default_factory=list)

    def add(self, at: int, token: Token) -> None:
        if self.start < 0:
            self.start = at
        self.parts.append(token)

    @property
    def described(self) -> bool:
        return any(
            t.has("colour", "size", "sup", "nth", "number") or t.claim("quant") & _UNIVERSAL
            for t in self.parts
        )


def noun_phrases(tokens: Sequence[Token]) -> tuple[Named, ...]:
    """All of them, in the order of the sentence."""
    found: list[Named] = []
    one, at = _Open(), 0
    while at < len(tokens):
        token = tokens[at]
        following = tokens[at + 1] if at + 1 < len(tokens) else None
        if _is_head(token, following, one, tokens[at - 1] if at else None):
            one.add(at, token)
            bare = _closed(one, at + 1)
            named, at = _with_what_follows(bare, tokens, at + 1)
            if found and named is not bare and _is_of_the_first(found[-1], bare, tokens, at):
                found[-1] = replace(found[-1], colours=named.colours, sizes=found[-1].sizes | named.sizes)
                named = replace(bare, end=named.end)
            found.append(named)
            one = _Open()
            continue
        if _describes(token, following, one):
            if token.has("colour") and any(t.has("colour") for t in one.parts):
                found.append(_closed(one, at))
                one = _Open()
            one.add(at, token)
        elif not (one.parts and token.text in (",", "and") and _goes_on(one, following)):
            if one.described:
                found.append(_closed(one, at))
            one = _Open()
        at += 1
    if one.described:
        found.append(_closed(one, len(tokens)))
    return tuple(_governed(found, tokens))


def _is_head(token: Token, following: Token | None, one: _Open, before: Token | None) -> bool:
    called = before is not None and ("definite" in before.claims or before.text in ("a", "any", "every"))
    if token.text == "can" and not one.parts and not called:  # "can the red block ..."
        return False
    if token.has("kind"):
        return not (
            token.text == "one" and following is not None and _adjective(following) and not one.described
        )
    if "whole" in token.claims:
        return True
    if "pronoun" not in token.claims:
        return False
    return not (
        "definite" in token.claim("quant") and following is not None and _adjective(following, kinds=True)
    )


def _adjective(token: Token, kinds: bool = False) -> bool:
    return token.has("colour", "size", "sup", "nth", "number", "figure") or (
        kinds and token.has("kind", "same")
    )


def _describes(token: Token, following: Token | None, one: _Open) -> bool:
    if token.has("colour", "size", "nth", "same", "other"):
        return True
    if token.has("sup"):
        return True
    if token.has("number", "figure"):
        return not (following is not None and following.has("unit"))
    return token.has("quant") or (
        bool(one.parts) and token.text in ("coloured", "colored", "of", "shaped", "colour")
    )


def _goes_on(one: _Open, following: Token | None) -> bool:
    """ "big, yellow block": a size, a mark, and a colour."""
    said = any(t.has("size") for t in one.parts) and not any(t.has("colour") for t in one.parts)
    return said and following is not None and following.has("colour") and not following.has("quant")


def _closed(one: _Open, end: int) -> Named:
    def of(kind: str) -> frozenset[str]:
        return frozenset().union(*(t.claim(kind) for t in one.parts)) if one.parts else frozenset()

    head = one.parts[-1]
    sizes = of("size")
    amounts = (
        of("quant") | of("number") | frozenset(f"{t.number:g}" for t in one.parts if t.number is not None)
    )
    kinds = head.claim("kind")
    if "whole" in head.claims and head.text.startswith(
        ("every", "all", "whole", "the lot", "lot", "contents")
    ):
        amounts |= {"all"}
    return Named(
        one.start, end, of("colour"), sizes & {"small", "large"},
        kinds, of("sup") | (sizes - {"small", "large"}) | frozenset(f"nth {n}" for n in of("nth")),
        amounts, bool(kinds) and head.text.endswith("s") and head.text != "s", frozenset(),
        "pronoun" in head.claims and not kinds, "whole" in head.claims and not kinds,
    )  # fmt: skip


def _is_of_the_first(first: Named, bare: Named, tokens: Sequence[Token], end: int) -> bool:
    """ "if the block in the bowl is red": what is said of a thing that is told by where it is."""
    between, links = tokens[first.end : bare.start], tokens[bare.end : end]
    led = any(token.has("rel in", "rel on", "rel under", "rel next") for token in between)
    apart = any(MARK in token.claims or token.text in ("and", "or") for token in between)
    said_so = any(token.text in ("is", "are", "isn't", "aren't") for token in links)
    return led and not apart and said_so and not first.colours and not first.pronoun


def _with_what_follows(named: Named, tokens: Sequence[Token], at: int) -> tuple[Named, int]:
    """ "the block that is red": looks said after the noun, unless they begin another noun."""
    if named.pronoun or named.whole or named.colours:
        return named, at
    ahead = at
    while (
        ahead < len(tokens)
        and ahead - at < 4
        and (tokens[ahead].text in _LINKS or tokens[ahead].text in _PASSED)
    ):
        ahead += 1
    if ahead == len(tokens) or not tokens[ahead].has("colour", "size") or tokens[ahead].has("sort"):
        return named, at
    end, colours, sizes = ahead, set(named.colours), set(named.sizes)
    while end < len(tokens) and (
        tokens[end].has("colour", "size") or (tokens[end].text == "and" and end > ahead)
    ):
        colours |= tokens[end].claim("colour")
        sizes |= tokens[end].claim("size")
        end += 1
    if end < len(tokens) and tokens[end].has("kind"):
        return named, at
    more = frozenset(sizes) - {"small", "large"}
    return replace(
        named, end=end, colours=frozenset(colours), sizes=frozenset(sizes) & {"small", "large"},
        superlatives=named.superlatives | more,
    ), end  # fmt: skip


def _begins_a_step(tokens: Sequence[Token], at: int) -> bool:
    """ ", next the green block": no relation to what was named before."""
    return at == 0 or MARK in tokens[at - 1].claims or tokens[at - 1].text == "and"


def _governed(found: Sequence[Named], tokens: Sequence[Token]) -> list[Named]:
    out: list[Named] = []
    end = 0
    for named in found:
        relations: set[str] = set()
        joined = False
        for at in reversed(range(end, named.start)):
            token = tokens[at]
            if token.text in ("and", ",", "or") or token.text == "&":
                joined = True
                break
            if MARK in token.claims or (
                token.has("verb") and not token.has("rel") and (relations or at > end)
            ):
                break
            if token.text in ("what", "which", "whom"):  # "on what does the red block rest?"
                break
            if "then" in token.claims and (len(token.words) > 1 or _begins_a_step(tokens, at)):
                break
            relations |= token.claim("rel")
        if joined and not relations and out:
            relations |= out[-1].before | {"joined"}
        out.append(replace(named, before=frozenset(relations)))
        end = named.end
    return out
