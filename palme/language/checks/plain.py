"""A sentence in plain words: spelling mended, manners left out, one word for each colour and kind."""

from __future__ import annotations

from palme.language.checks.lexicon import english
from palme.language.checks.said import Said
from palme.language.checks.tokens import MARK, Token

_MANNERS = frozenset(
    "please pls plz kindly thanks thank thx cheers hey hi hello ok okay alright robot mate buddy"
    " well um uh er erm hmm just simply basically really".split()
) | {
    "thank you", "can you", "could you", "would you", "will you", "right now", "for me", "for us", "at once",
    "hey there", "hi there", "if you can", "if you could", "if possible", "if you please", "right away",
    "could you please", "would you mind", "do you mind", "i would like you to", "i want you to",
    "i need you to",
}  # fmt: skip
_KINDS = frozenset({"block", "cylinder", "bowl", "thing"})


def plain(sentence: str) -> str:
    """See module; a question keeps its mark."""
    words: list[str] = []
    for token in Said.of(sentence, english()).tokens:
        if token.text in _MANNERS:
            continue
        if MARK in token.claims:
            if words and token.text not in ("!", "-", "–", "—") and words[-1] not in (",", "."):
                words.append(token.text)
            continue
        words.append(_plain_word(token))
    while words and words[0] in (",", ".", ";"):
        words.pop(0)
    text = " ".join(words)
    for mark in (",", ".", ";", ":", "?", "!"):
        text = text.replace(f" {mark}", mark)
    return text


def _plain_word(token: Token) -> str:
    colours, kinds = token.claim("colour"), token.claim("kind")
    if len(colours) == 1 and "none" not in colours and not token.has("rel", "quant"):
        return min(colours)
    if len(kinds) == 1 and kinds <= _KINDS and len(token.words) == 1:
        return min(kinds) + ("s" if token.text.endswith("s") else "")
    return token.text
