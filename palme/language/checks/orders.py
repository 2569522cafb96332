"""An order without what people hang on it: tags, idioms with a "not" in them, arrows, "bowl" as a verb."""

from __future__ import annotations

import re

_TAG = re.compile(
    r"[\s,;.]+(?:(?:will|would|could|can|won't) (?:you|ya)(?: please)?|okay|ok|right|please|alright|all right"
    r"|yeah|yes|yes please|got it|thanks|thank you"
    r"|(?:is|are|was|were|do|does|did|would|will|could|has|have)(?:n't|nt)? (?:it|they|there|that|we))"
    r"\s*\?+\s*$",
    re.IGNORECASE,
)
_NOT_MEANT = re.compile(
    r"\b(?:(?:it|that) )?(?:does not|doesn't|doesnt) matter\b"
    r"|\b(?:i )?(?:do not|don't|dont) (?:care|mind)\b"
    r"|\b(?:do not|don't|dont) worry(?: about (?:that|it|this))?\b"
    r"|\b(?:why|if you) (?:do not|don't|dont)(?: you)? mind\b"
    r"|\bif (?:it's|it is|that's|that is) (?:no|not too much) (?:bother|trouble|problem)\b"
    r"|\b(?:appreciate it|be (?:most |much |very |so )?(?:nice|great|lovely|good|grateful|wonderful|glad"
    r"|happy|obliged|delighted|pleased|thankful)) if\b"
    r"|\bif (?:it's|it is|that's|that is) not too (?:much|hard|difficult)\b"
    r"|\bwhenever (?:it )?suits(?: you)?\b"
    r"|\bif (?:it's|it is|that's|that is) (?:ok|okay|alright|fine|possible)\b"
    r"|\bno (?:rush|hurry|worries|problem|action is required)\b"
    r"|\bno (?:more|less)(?:, no (?:more|less))?\s*[.!]*$",
    re.IGNORECASE,
)
_ARROW = re.compile(r"\s*(?:-+>|=+>|\u2192)\s*(?!\s*(?:in|into|on|onto|to|inside|next|left|right)\b)")
_ARROW_BEFORE_RELATION = re.compile(r"\s*(?:-+>|=+>|\u2192)\s*")
_BOWL = re.compile(r"\bbowl (it|them|him|her|that|this|those|these)\b", re.IGNORECASE)


def as_order(sentence: str) -> str:
    """`sentence` as the checks read one that is known to ask for something to be done."""
    text = re.sub(r"\s*<[-=]+>\s*", " swapped with ", _TAG.sub("", sentence))
    text = _NOT_MEANT.sub(" ", text)
    text = _ARROW_BEFORE_RELATION.sub(" ", _ARROW.sub(" to ", text))
    return _BOWL.sub(r"put \1 in the bowl", text)
