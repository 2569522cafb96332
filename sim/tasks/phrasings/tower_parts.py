"""Towers told by naming places ("with red as the base") or pair by pair ("green on red").

The slots here are for training only; `part` fills them from the blocks' phrases, bottom to top.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from sim.tasks.phrasings import lists

_ON = ("on top of",) * 5 + (
    "on", "on", "on", "onto", "atop", "over", "above", "upon", "resting on", "sitting on", "standing on",
    "which is on", "which sits on", "that is on top of", "lying on", "placed on", "stacked on", "on the top of",
    "supported by", "right on top of", "which rests on", "directly on",
)  # fmt: skip
_UNDER = (
    "under", "below", "beneath", "underneath", "supporting", "carrying", "topped by", "topped with", "under",
    "bearing", "which carries", "which supports", "which is under", "directly below", "holding up", "crowned by",
    "which is below", "covered by",
)  # fmt: skip
_GOES_ON = (
    "goes on", "goes on top of", "sits on", "on", "is on", "should be on", "on top of", "rests on", "should go on", "stands on",
    "belongs on", "must be on", "is placed on", "is above", "lies on",
)  # fmt: skip
_CARRIES = (
    "carries", "supports", "is under", "is below", "is beneath", "should carry", "under", "holds", "is underneath",
    "has on top of it", "should be under", "must be below", "goes under", "bears",
)  # fmt: skip
_THEN = (", then ", " and then ", ", and ", " and ", ", ", "; ", ", after that ", ", next ", ". then ")
_PUT = ("put", "put", "place", "stack", "set", "lay", "move", "drop", "pile")


def _pairs(below: Sequence[str], above: Sequence[str], words: Sequence[str], rng: random.Random) -> list[str]:
    word = rng.choice(words)
    return [f"{a} {word} {b}" for a, b in zip(above, below, strict=True)]


def _on_pairs_up(x: Sequence[str], rng: random.Random) -> str:
    return rng.choice(_THEN).join(_pairs(x[:-1], x[1:], _ON, rng))


def _on_pairs_down(x: Sequence[str], rng: random.Random) -> str:
    return rng.choice((" and ", ", and ", ", ", "; ")).join(_pairs(x[:-1], x[1:], _ON, rng)[::-1])


def _goes_pairs(x: Sequence[str], rng: random.Random) -> str:
    pairs = _pairs(x[:-1], x[1:], _GOES_ON, rng)
    return rng.choice((" and ", ", ", ", and ", ", then ")).join(pairs if rng.random() < 0.5 else pairs[::-1])


def _carry_pairs(x: Sequence[str], rng: random.Random) -> str:
    pairs = _pairs(x[1:], x[:-1], _CARRIES, rng)
    return rng.choice((" and ", ", ", ", and ")).join(pairs if rng.random() < 0.7 else pairs[::-1])


def _put_pairs(x: Sequence[str], rng: random.Random) -> str:
    verb = rng.choice(_PUT)
    return rng.choice(_THEN).join(f"{verb} {p}" for p in _pairs(x[:-1], x[1:], ("on", "on top of", "onto"), rng))


def _put_it_chain(x: Sequence[str], rng: random.Random) -> str:
    verb = rng.choice(_PUT)
    on = rng.choice(("on it", "on top of it", "on top", "on that", "on top of that", "above it", "over it", "onto it"))
    return rng.choice(_THEN).join(f"{verb} {a} {on}" for a in x[1:])


def _on_which_chain(x: Sequence[str], rng: random.Random) -> str:
    on = rng.choice(("on it", "on that", "on top of it", "on top of that", "above it", "over that", "on which"))
    goes = rng.choice(("", "comes ", "goes ", "sits ", "is ", "rests ", "put "))
    return ", ".join((x[0], *(f"{on} {goes}{a}" for a in x[1:])))


_MAKERS: dict[str, Callable[[Sequence[str], random.Random], str]] = {
    "bottom_to_top": lists.spoken,
    "top_to_bottom": lambda x, rng: lists.spoken(x[::-1], rng),
    "bottom": lambda x, rng: x[0],
    "top": lambda x, rng: x[-1],
    "rest_up": lambda x, rng: lists.spoken(x[1:], rng) if len(x) > 2 else x[1],
    "rest_down": lambda x, rng: lists.spoken(x[-2::-1], rng) if len(x) > 2 else x[0],
    "middle_up": lambda x, rng: ", ".join(x[1:-1]) if rng.random() < 0.5 else " and ".join(x[1:-1]),
    "middle_down": lambda x, rng: " and ".join(x[-2:0:-1]) if rng.random() < 0.5 else ", ".join(x[-2:0:-1]),
    "on_chain": lambda x, rng: f" {rng.choice(_ON)} ".join(x[::-1]),
    "under_chain": lambda x, rng: f" {rng.choice(_UNDER)} ".join(x),
    "on_pairs_up": _on_pairs_up,
    "on_pairs_down": _on_pairs_down,
    "goes_pairs": _goes_pairs,
    "carry_pairs": _carry_pairs,
    "put_pairs": _put_pairs,
    "put_it_chain": _put_it_chain,
    "on_which_chain": _on_which_chain,
}


def part(slot: str, items: Sequence[str], rng: random.Random) -> str:
    """What stands for `slot` when `items` name the blocks from the bottom to the top."""
    text = _MAKERS[slot](items, rng)
    return text.replace("  ", " ")


PARTS = {
    "low": "<up_first>",
    "high": "<up_last>",
    "above_it": "[(above it | over it | on it | on top of it | on top | next | upwards)]",
    "between": "in the middle | in between | between them | in the centre | between | as the middle | sandwiched in between",
    "base": "3* base | 2* foundation | bottom | ground floor | bottom block | lowest block | support | lowest level | footing",
    "crown": "top | top block | roof | highest block | uppermost block | crown | final block | peak | cap | tip",
    "then_put": "[,] (then | and then | and) [(put | place | stack | add | set | lay)] | , | , then | then | , next | , with | followed by",
    "part_do": "4* <build> [a <tower> (: | , | with | of |)] {bottom} <low> <then_put> {rest_up} <above_it>"
    " | 4* <build> [a <tower> (: | , | with | of |)] {top} <high> <then_put> {rest_down} (below | beneath | underneath | under it |"
    " below it | downwards | further down)"
    " | 3* <use> {bottom} as the <base> <then_put> {rest_up} <above_it>"
    " | 3* (start | begin) with {bottom} [<low>] <then_put> {rest_up} <above_it>"
    " | 2* <build> [a <tower> <of>] {bottom_to_top} [,] (with | having | using) {bottom} <low>"
    " | 2* <build> [a <tower> <of>] {bottom_to_top} [,] (with | having | using) {top} <high>"
    " | 2* <build> [a <tower> <of>] {top_to_bottom} [,] (with | having | using) {top} <high>"
    " | 2* <build> [a <tower> <of>] {top_to_bottom} [,] (with | having | using) {bottom} <low>"
    " | <build> a <tower> [,] (with | having | using) {bottom} <low> , [<of>] {bottom_to_top}"
    " | <build> a <tower> [,] (with | having | using) {top} <high> , [<of>] {top_to_bottom}"
    " | <build> a <tower> (with | on | starting from | based on | on top of) {bottom} [as the <base>] (and | , | , then) {rest_up} <above_it>"
    " | (set | put | place | lay) {bottom} (down first | on the table | on the table first | down | first) <then_put> {rest_up} <above_it>"
    " | 3* <stack> {on_chain} | 2* <build> a <tower> (with | of | : |) {on_chain} | <build> a <tower> (with | of | : |) {under_chain}"
    " | <build> a <tower> (with | : | in which | where | so that |) {on_pairs_up} | <build> a <tower> (with | : | in which | where) {on_pairs_down}"
    " | <build> a <tower> (in which | where | so that | such that) {goes_pairs} | <build> a <tower> (in which | where | so that | such that) {carry_pairs}"
    " | 3* <stack> {on_pairs_up} | 2* <stack> {on_pairs_down} | 3* {put_pairs} | 2* (take | start with | begin with | use | put down | set down) {bottom} [,] [and] {put_it_chain}"
    " | <build> {on_which_chain} | <ensure> {goes_pairs} | <ensure> {carry_pairs} | <build> a <tower> (with | ,) {top} <high> and {bottom} <low>"
    " [, {middle_up} <between>]".replace(" [, {middle_up} <between>]", ""),
    "part_say": "3* {bottom} <low> <then_put> {rest_up} <above_it> | 3* {top} <high> <then_put> {rest_down} (below | beneath |"
    " underneath | under it | below it | further down)"
    " | 2* {bottom} (is | should be | goes | must be | shall be) <low> , (then | and then | then comes | followed by | above it | on it | on top of it) {rest_up}"
    " | 2* {top} (is | should be | goes | must be | shall be) <high> , (then | below it | under it | beneath it | underneath | followed below by) {rest_down}"
    " | <want> (a <tower> with |) {bottom} <low> [,] (and | then) {rest_up} (above | on top | over it | on it)"
    " | <want> (a <tower> with |) {top} <high> [,] (and | then) {rest_down} (below | beneath | under it | underneath)"
    " | the <base> (is | should be | must be | will be) {bottom} [,] (then | and then | followed by | and on it | on it | above it) {rest_up}"
    " | the <crown> (is | should be | must be | will be) {top} [,] (below it | under it | then | beneath it | and below) {rest_down}"
    " | <want> {on_chain} | <want> (a <tower> (of | with)) {on_chain} | {on_chain} | {under_chain} | <want> {under_chain} | {goes_pairs}"
    " | {carry_pairs} | {on_pairs_up} | {on_pairs_down} | <want> {on_pairs_up} | <want> {on_pairs_down} | {on_which_chain}"
    " | the <tower> (has | should have | must have | has to have) {bottom} <low> [,] (and | then) {rest_up} (above | on top | over it | on it)"
    " | the <tower> (has | should have | must have | has to have) {top} <high> [,] (and | then) {rest_down} (below | beneath | under it)",
    "verb": "12* put | 6* place | 6* stack | 3* set | 2* move | lay | drop | pop | rest | pile | position | bring | shift | transfer"
    " | carry | balance | stick | deposit | add | get | build | lower | leave | park | mount | plonk | take | release",
    "verb_ing": "putting | placing | stacking | setting | moving | laying | dropping | piling | positioning | balancing | resting",
    "verb_ed": "put | placed | stacked | set | moved | laid | dropped | positioned | piled | moved | balanced | mounted",
    "on": "6* on | 6* on top of | 2* onto | atop | upon | over | above | to the top of | directly on | right on top of | on the top of"
    " | so that it rests on | so that it is on | so that it sits on | up on | on to",
    "under": "under | below | beneath | underneath",
    "grab": "4* pick up | 3* take | 2* grab | get | grasp | lift | fetch | hold | pick | collect | find",
    "it": "6* it | that | that one | this | the thing | the object",
    "pair_do": "8* <verb> {top} <on> {bottom} | 3* <grab> {top} [,] and [then] <verb> <it> <on> {bottom} | <on> {bottom} [,] <verb> {top}"
    " | <use> {bottom} as [the | a] (base | support | foundation | stand | bottom) (for | of | under | below) {top}"
    " | <use> {bottom} to (support | carry | hold up | bear) {top} | cover {bottom} with {top} | crown {bottom} with {top}"
    " | top {bottom} with {top} | top [off] {bottom} with {top} | (let | make | have) {bottom} (carry | support | bear | hold up) {top}"
    " | (let | have) {top} (rest | sit | stand | lie | be | stay) <on> {bottom} | (make | get) {top} (rest | sit | stand | lie) <on> {bottom}"
    " | <ensure> {top} (is | sits | rests | ends up | stands | lies) <on> {bottom} | <ensure> {bottom} (is | sits | ends up | stands) <under> {top}"
    " | <build> a <tower> (of | from | with | out of) two [blocks] : {top} <on> {bottom} | <build> a <tower> with {bottom} <under> {top}"
    " | <build> a <tower> : {bottom} <low> [and] {top} <high> | <build> a <tower> , {top} <high> [and] {bottom} <low>"
    " | <build> a <tower> with {top} <on> {bottom} | go to {top} , grasp it , move above {bottom} and let go"
    " | (add | give) {top} to the top of {bottom} | (find | locate) {bottom} and <verb> {top} on [top of] it"
    " | (clear | free) {bottom} [if needed] and <verb> {top} on [top of] it",
    "pair_doing": "<verb_ing> {top} <on> {bottom} | using {bottom} as the base for {top} | building a <tower> with {top} <on> {bottom}",
    "pair_say": "4* {top} (goes | should go | belongs | should be | must be | should sit | should rest | has to be | needs to be | needs to go"
    " | is to go | should end up | should be <verb_ed> | needs to be <verb_ed> | must be <verb_ed> | has to go | ought to be | lies) <on> {bottom}"
    " | 2* {bottom} (goes | should go | belongs | should be | must be | should sit | has to be | needs to be | should end up | ought to be) <under> {top}"
    " | 3* <want> {top} [(to be | to sit | to rest | to go | to end up | placed | put | stacked)] <on> {bottom} | <want> {bottom} [to be] <under> {top}"
    " | {bottom} (should carry | should support | must support | carries | supports | should have | must carry | is the base for | gets | holds up |"
    " is the support of | is to carry | will carry) {top} [on top] | {bottom} with {top} (on top | on it | above | on top of it)"
    " | {top} with {bottom} (under it | below | beneath it | underneath) | <want> {bottom} with {top} (on top | on it | on top of it)"
    " | <on> {bottom} (goes | should be | belongs | I want | comes | there should be | should go | must be | sits) {top}"
    " | <under> {top} (goes | should be | belongs | I want | comes | there should be | must be) {bottom}"
    " | {top} <on> {bottom} | {bottom} <low> [and | ,] {top} <high> | {top} <high> [and | ,] {bottom} <low>"
    " | (see | look at | there is) {bottom} (? | ,) (put | place | stack) {top} (on it | on top of it | on top)"
    " | (if | unless) {top} is not <on> {bottom} [yet] , put it there | {top} is not <on> {bottom} yet , (change that | fix that)"
    " | (can | could) {top} (go | be <verb_ed>) <on> {bottom} | you are done when {top} is <on> {bottom}"
    " | the place (of | for) {top} is <on> {bottom}",
}  # fmt: skip
