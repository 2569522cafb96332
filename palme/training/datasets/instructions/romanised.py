"""Hindi in Latin letters, as many people type it."""

from __future__ import annotations

import re
import unicodedata

_CONSONANTS = dict(
    zip(
        "कखगघङचछजझञटठडढणतथदधनपफबभमयरलवशषसह",
        "k kh g gh n ch chh j jh n t th d dh n t th d dh n p ph b bh m y r l v sh sh s h".split(),
        strict=True,
    )
)
_DOTTED = {"ड": "r", "ढ": "rh", "ज": "z", "फ": "f", "ख": "kh", "क": "q", "ग": "g"}
"""With a dot below."""
_SIGNS = dict(zip("ािीुूेैोौृॉ", "aa i ee u oo e ai o au ri o".split(), strict=True))
_VOWELS = dict(zip("अआइईउऊएऐओऔऑ", "a aa i ee u oo e ai o au o".split(), strict=True))
_DEVANAGARI = re.compile("[\u0900-\u0963.\u0966-\u097f]*[\u0900-\u0963\u0966-\u097f]")
_SHORT = "ə"
"""The vowel that is not written after a consonant, and often not said."""
_SILENT = re.compile("(?<=[aeiouə])([^aeiouə]{1,2})ə(?=[^aeiouə]{1,2}[aeiou])")
_WORDS = {
    "में": "mein", "है": "hai", "हैं": "hain", "नहीं": "nahi", "और": "aur", "ब्लॉक": "block", "ब्लाक": "block",
    "ब्लॉकों": "blocks", "क्यूब": "cube", "सिलेंडर": "cylinder", "सिलिंडर": "cylinder", "बाउल": "bowl",
    "टेबल": "table", "लेफ्ट": "left", "राइट": "right", "टावर": "tower", "रोबोट": "robot", "प्लीज़": "please",
    "लाइन": "line", "सेंटीमीटर": "cm", "सेमी": "cm", "से.मी.": "cm", "यहाँ": "yahan", "कहाँ": "kahan",
    "पाँच": "paanch", "दाएँ": "daayen", "बाएँ": "baayen", "मेज़": "mez", "वो": "wo", "वह": "wo", "यह": "ye",
}  # fmt: skip


def romanised(text: str) -> str:
    """`text` word by word; what is not Devanagari stays."""
    return _DEVANAGARI.sub(lambda match: _word(match[0]), text).replace("।", ".")


def _word(word: str) -> str:
    if word in _WORDS:
        return _WORDS[word]
    out = ""
    letters = unicodedata.normalize("NFD", word)
    for k, letter in enumerate(letters):
        following = letters[k + 1 : k + 2]
        if letter in _CONSONANTS:
            dotted = following == "\u093c"
            out += _DOTTED.get(letter, _CONSONANTS[letter]) if dotted else _CONSONANTS[letter]
            after = letters[k + 2 : k + 3] if dotted else following
            out += "" if after in (*_SIGNS, "\u094d") and after else _SHORT
        elif letter in _SIGNS:
            out += _SIGNS[letter]
        elif letter in _VOWELS:
            out += _VOWELS[letter]
        elif letter in "\u0901\u0902":
            out += "n"
    out = re.sub(_SHORT + r"(n?)$", r"\1", out) if len(out) > 2 else out.replace(_SHORT, "a")
    out = _SILENT.sub(r"\1", out)
    out = out.replace(_SHORT, "a")
    return re.sub(
        r"^va(?=a?l)", "wa", re.sub(r"(?<=[^aeiou])aa$", "a", re.sub(r"(?<=[^aeiou])ee$", "i", out))
    )
