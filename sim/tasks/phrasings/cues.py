"""How people say in which direction a list of a tower's blocks runs.

Each side is written once, with START for the end that is named first, END for the other.
"""

from __future__ import annotations

_LOW = "6* bottom | 2* base | ground | lowest | table | floor | foot | lower end | bottom end | foundation | very bottom"
_HIGH = "6* top | 2* highest | uppermost | peak | summit | upper end | tip | top end | topmost | very top | roof"
_LOW_ONE = "4* bottom | 2* base | lowest | bottommost | lower | undermost | ground floor"
_HIGH_ONE = "4* top | 2* highest | topmost | uppermost | upper"
_LOW_AT = (
    "3* at the bottom | 2* on the bottom | as the base | lowest | at the base | underneath | on the table | as the foundation"
    " | at the foot | below | as the bottom | on the ground | as the lowest | the lowest | the bottom one | the base | down on the"
    " table | at the very bottom | forming the base | bottommost | undermost | nearest the table | closest to the table"
)
_HIGH_AT = (
    "3* on top | 2* at the top | on the top | highest | uppermost | topmost | as the top | at the very top | at the peak"
    " | as the roof | above | as the highest | the highest | the top one | at the summit | as the crown | up top | on the very top"
    " | furthest from the table | at the tip"
)

_CUE = (
    "5* from [the] <S_start> to [the] <S_end> | 4* from [the] <S_start> <S_ward> | 3* <S_start> (first | to <S_end> | <S_ward>)"
    " | 2* the <S_one> [(one | block | cube)] first | 3* (starting | beginning | start | begin | we start | you start |"
    " let us start) (at | from | with) the <S_one> [(one | block | cube | layer | level | end | piece)]"
    " | (starting | beginning) (at | from | with) the <S_start> [and (ending | finishing | stopping) (at | with) the <S_end>]"
    " | (ending | finishing) (at | with) the <S_end> [one]"
    " | 2* (in order | in sequence | in this order | in the order | ordered | the order goes | sorted) from [the] <S_start>"
    " (to [the] <S_end> | <S_ward> |)"
    " | 2* (counting | reading | named | listed | given | told | said | numbered | going | seen | counted | read | working | mentioned"
    " | looking | moving | ordered | described) (from [the] <S_start> (to [the] <S_end> | <S_ward> |) | <S_ward> | <S_start> first)"
    " | 2* <S_moving> | in <S_sorted> order [of height] | (when | if) (you go | you read | you count | one goes | seen | read)"
    " (<S_ward> | from [the] <S_start> [to [the] <S_end>]) | (<S_one> to <S_other>) | from <S_one> to <S_other>"
    " | with the <S_one> [(one | block)] (named | mentioned | listed | said | coming | given) first"
    " | (<S_start> - <S_end> order | <S_start> to <S_end> order | <S_start> up front)"
)

_CLAUSE = (
    "3* with the first [(one | block | named | mentioned | cube)] <S_first> | 2* with the last [(one | block | named | cube)] <S_last>"
    " | [(where | and | so)] the first [(one | block | named | mentioned)] (is | goes | should be | being | comes | sits | must be) <S_first>"
    " | [(where | and | so)] the last [(one | block | named | mentioned)] (is | goes | should be | being | comes | sits | must be) <S_last>"
    " | (so that | such that) the (first [one] is <S_first> | last [one] is <S_last> | first is <S_first> and the last <S_last>)"
    " | the first <S_first> [and] the last <S_last> | first <S_first> [,] last <S_last>"
    " | 2* each [one] <S_each> | every [(block | one | cube)] <S_each> | 2* <S_cue> | the (first | first one) as the <S_one> [one]"
    " | I name the <S_one> [one] first | I start (with | at) the <S_one> [one] | the <S_other> [one] comes last | the <S_one> comes first"
    " | the <S_other> is (named | said | mentioned | listed) last"
)


def _side(prefix: str, **rules: str) -> dict[str, str]:
    written = {"cue": _CUE, "clause": _CLAUSE, **rules}
    return {f"{prefix}_{name}": text.replace("<S_", f"<{prefix}_") for name, text in written.items()}


UP = _side(
    "up",
    start=_LOW,
    end=_HIGH,
    one=_LOW_ONE,
    other=_HIGH_ONE,
    first=_LOW_AT,
    last=_HIGH_AT,
    ward="4* up | 3* upwards | upward | on up | going up | and up | skyward",
    moving="going up | going upwards | working up | working upwards | working your way up | moving up | building up"
    " | building upwards | counting up | climbing | upwards | rising | growing upwards | on the way up | low to high"
    " | from low to high | bottom up | ground up | from the ground up | from below | from underneath",
    sorted="ascending | rising | increasing | growing | climbing | upward",
    each="(on | on top of | onto | above | over | resting on | sitting on | upon | supported by) (the previous [one] |"
    " the one before [it] | the preceding [one] | the one named before [it] | the last [one] | its predecessor) | (under | below |"
    " beneath | underneath | supporting | carrying | holding) (the next [one] | the following [one] | the one after [it] |"
    " the one named after [it])",
)

DOWN = _side(
    "down",
    start=_HIGH,
    end=_LOW,
    one=_HIGH_ONE,
    other=_LOW_ONE,
    first=_HIGH_AT,
    last=_LOW_AT,
    ward="4* down | 3* downwards | downward | on down | going down | and down | to the table",
    moving="going down | going downwards | working down | working downwards | working your way down | moving down"
    " | reading down | reading downwards | counting down | descending | downwards | falling | on the way down | high to low"
    " | from high to low | top down | from the sky down | from above | seen from above | as seen from above",
    sorted="descending | falling | decreasing | sinking | downward | reverse building",
    each="(on | on top of | onto | above | over | resting on | sitting on | upon | supported by) (the next [one] |"
    " the following [one] | the one after [it] | the one that follows [it] | the one named after [it] | its successor) | (under |"
    " below | beneath | underneath | supporting | carrying | holding) (the previous [one] | the one before [it] |"
    " the one named before [it] | the preceding [one])",
)
