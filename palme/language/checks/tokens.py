"""A sentence as tokens: words and phrases of the lexicon, numbers and marks, each with its claims."""

from __future__ import annotations

import re
from dataclasses import dataclass

from palme.language.checks.lexicon import BEYOND, CHAT, Claims, Lexicon

MARK = "mark"
_WORD = re.compile(r"\d+(?:st|nd|rd|th)\b|\d+(?:[.,]\d+)?|[^\W\d_]+(?:'[^\W\d_]+)?|\.\.+|…|[.,;:?!()–—-]")
_ENUMERATED = re.compile(r"(?:^|(?<=[\s;,.:]))\(?(\d)(?:[.):]|(?<=step \d),?)(?=\s)")
_GLUED = {"can": "can you", "whats": "what's"}


@dataclass(frozen=True)
class Token:
    """A word, a phrase, a number or a mark.

    Attributes:
        text: as the lexicon writes it.
        said: as the person wrote it.
        claims: of the lexicon; {"mark"} for marks, empty where it is unknown.
        number: its value, where it is written in figures.
        edits: by which it was misspelt.
        doubtful: it is as like another known word with other claims.
    """

    text: str
    said: str
    claims: Claims
    number: float | None = None
    edits: int = 0
    doubtful: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """Of a phrase, or the one."""
        return tuple(self.text.split())

    def claim(self, kind: str) -> frozenset[str]:
        """What follows `kind` in its claims: claim("colour") is {"red"}."""
        return frozenset(one[len(kind) + 1 :] for one in self.claims if one.startswith(kind + " "))

    def has(self, *claims: str) -> bool:
        """Whether it makes one of `claims`, or one that begins so."""
        return any(one in self.claims or self.claim(one) for one in claims)


def tokens(sentence: str, lexicon: Lexicon) -> tuple[Token, ...]:
    """`sentence`, phrase by phrase, misspelt words mended."""
    words = [_mended(word, lexicon) for word in _words(sentence, lexicon)]
    found: list[Token] = []
    at = 0
    while at < len(words):
        phrase = lexicon.phrase(tuple(token.text for token in words[at : at + 8]))
        if phrase is None:
            found.append(words[at])
            at += 1
            continue
        length, claims = phrase
        ahead = [one for one in words[at + length : at + length + 2] if one.text != ","][:1]
        if claims == {"some way"} and any(one.has("colour", "kind") for one in ahead):
            found.append(words[at])  # "a little red block"
            at += 1
            continue
        part = words[at : at + length]
        text, said = (" ".join(pieces) for pieces in zip(*((t.text, t.said) for t in part), strict=True))
        found.append(Token(text, said, claims, None, sum(t.edits for t in part)))
        at += length
    return tuple(found)


def _words(sentence: str, lexicon: Lexicon) -> list[str]:
    text = " ".join(sentence.lower().replace("’", "'").replace("`", "'").split())
    text = _ENUMERATED.sub(" ; then ", text)
    text = re.sub(r"(?<=[^\W\d_])[-/](?=[^\W\d_])", " ", text)
    words: list[str] = []
    for word in _joined(_WORD.findall(text), lexicon):
        if word in lexicon or not word[0].isalpha():
            words.append(word)
        elif word.endswith("'s") and word[:-2] in lexicon:
            words.append(word[:-2])
        else:
            words += _apart(word, lexicon)
    return words


def _joined(words: list[str], lexicon: Lexicon) -> list[str]:
    """ "bl ue": a word with a space in it is put together."""
    out: list[str] = []
    for word in words:
        if out and out[-1].isalpha() and out[-1] not in lexicon and len(word) > 1:
            if lexicon.claims(whole := out[-1] + word):
                out[-1] = whole
                continue
        out.append(word)
    return out


def _apart(word: str, lexicon: Lexicon) -> tuple[str, ...]:
    one = lexicon.mended(word)
    if one is not None and one.edits == 1:
        return (word,)
    return lexicon.split(word) or (word,)


def _mended(word: str, lexicon: Lexicon) -> Token:
    if word in lexicon and word[0].isdigit():
        return Token(word, word, lexicon.claims(word))
    if not word[0].isalpha():
        if word[0].isdigit() and not word[-1].isalpha():
            return Token(word, word, frozenset({"figure"}), float(word.replace(",", ".")))
        return Token(word, word, frozenset({MARK}))
    if word in lexicon:
        return Token(word, word, lexicon.claims(word) or frozenset({CHAT}))
    mended = lexicon.mended(word)
    if mended is None:
        return Token(word, word, frozenset())
    claims = [lexicon.claims(one) or frozenset({CHAT}) for one in mended.words]
    doable = [some for some in claims if BEYOND not in some] or claims
    both = frozenset[str]().union(*doable)
    best = mended.words[claims.index(max(doable, key=lambda some: len(some - {CHAT})))]
    return Token(best, word, both, None, mended.edits, len(set(claims)) > 1)
