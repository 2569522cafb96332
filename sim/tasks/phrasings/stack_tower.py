"""Training sentences of stack_tower: the order said by cues, by named places, pair by pair.

A list without any cue is read in the order of building, bottom first.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import cache

from sim.tasks.phrasings import lists
from sim.tasks.phrasings.common import COMMON, dress
from sim.tasks.phrasings.cues import DOWN, UP
from sim.tasks.phrasings.grammar import Grammar
from sim.tasks.phrasings.tower_parts import PARTS, part

_FRAMES = (  # SIDE is up or down, LIST the slot
    "4* <build> [a <tower> <of>] LIST [,] <SIDE_cue> | 2* <build> [a <tower> <of>] LIST [,] <SIDE_clause>"
    " | 3* <SIDE_cue> [,] <build> [a <tower> <of>] LIST | 2* <build> [a <tower>] [,] <SIDE_cue> [,] [<of>] LIST"
    " | <build> [a <tower>] [,] <SIDE_cue> : LIST | <SIDE_cue> (: | ,) LIST | LIST , <SIDE_cue>"
    " | <build> a <tower> [<of>] LIST (<onto_each> |) [,] (<SIDE_cue> | <SIDE_clause>)"
    " | <stack> LIST [<onto_each>] [,] (<SIDE_cue> | <SIDE_clause>)"
    " | (<use> | <pick>) LIST and <build> [(them | a <tower> | a <tower> (with | from | out of) them)] [,]"
    " (<SIDE_cue> | <SIDE_clause>)"
    " | <use> , <SIDE_cue> , LIST [(to <build> a <tower> | for a <tower>)]"
    " | LIST : (<build> | <stack>) (them | these | those | it | a <tower>) [,] (<SIDE_cue> | <SIDE_clause>)"
    " | <stack> (them | the blocks | the cubes | the boxes | these | things | blocks) [,] <SIDE_cue> (: | ,) LIST"
    " | <build> a <tower> (whose | with) (order | sequence | colours | blocks | levels | layers) [,] <SIDE_cue> , [(are | is)] LIST"
)

_SAY = (
    "2* the <tower> <is> LIST [,] (<SIDE_cue> | <SIDE_clause>) | 2* the <tower> <is> [,] <SIDE_cue> [(, | :)] LIST"
    " | LIST [,] <stacked> [<onto_each>] [,] (<SIDE_cue> | <SIDE_clause>)"
    " | <want> (a | the | one) <tower> [<of>] LIST [,] (<SIDE_cue> | <SIDE_clause>)"
    " | <want> (a | the | one) <tower> (: | , | that , | which ,) <SIDE_cue> [,] [<is>] LIST"
    " | <want> LIST <stacked> [,] (<SIDE_cue> | <SIDE_clause>) | <want> LIST [<onto_each>] [,] <SIDE_cue>"
    " | (the | your | its) (order | sequence | tower | stack | plan | list | arrangement | structure) [,] <SIDE_cue> [,]"
    " (is | should be | must be | shall be | reads | will be | : | goes) LIST"
    " | <SIDE_cue> [,] (the <tower> | it | we | you | I | the blocks) (is | has | have | should have | want | should see | need |"
    " should be | go | are | will see) LIST | <SIDE_cue> (come | should come | go | there should be | there are | I want | I need"
    " | we want | we have | you should see | you find) LIST"
    " | (a | one | one nice) <tower> , <SIDE_cue> : LIST | (<tower> | order | plan | goal | task) [(<SIDE_cue>)] : LIST [,] <SIDE_cue>"
    " | <ensure> LIST are <stacked> [,] (<SIDE_cue> | <SIDE_clause>) | <ensure> the <tower> <is> [,] <SIDE_cue> [,] LIST"
)

_PLAIN = (
    "3* <build> a <tower> <of> LIST [<in_order>] | 3* <stack> LIST [<onto_each>] [<in_order>] | <build> LIST <in_order>"
    " | <in_order> , <stack> LIST | the <tower> <is> LIST [<in_order>] | <want> a <tower> <of> LIST [<in_order>]"
    " | LIST [,] <stacked> [<onto_each>] [<in_order>] | (<use> | <pick>) LIST and <build> (them | a <tower>) [<in_order>]"
    " | <want> LIST <stacked> [<onto_each>] [<in_order>] | <build> a <tower> : LIST"
)

RULES = {
    **COMMON,
    **UP,
    **DOWN,
    **PARTS,
    "tower": "6* tower | 5* stack | 2* pile | column | heap | totem | structure | building | tower of blocks"
    " | stack of blocks | little tower | tall tower | block tower | pile of cubes | stack of cubes | construction"
    " | skyscraper | pillar | pyramid | high rise",
    "build": "6* build | 6* stack | 3* make | 2* pile up | 2* stack up | create | construct | assemble | form | erect"
    " | raise | set up | put up | put together | arrange | pile | produce | start | compose | lay | order | place | put"
    " | prepare | design | do | give me | build up | get me | show me",
    "stack": "6* stack | 3* pile | 2* put | 2* place | pile up | stack up | set | lay | arrange | build | heap | heap up"
    " | assemble | order | layer | line up vertically | tower | balance | pop | position",
    "stacked": "5* stacked | piled | 2* stacked up | piled up | arranged | placed | put | built | set | one on another"
    " | in a tower | in a stack | in a pile | ordered | as a tower | in one column | vertically | lined up vertically | layered",
    "of": "5* of | out of | from | with | using | made of | made from | consisting of | containing | that consists of"
    " | composed of | that has | having | by stacking | by piling up | by using",
    "onto_each": "3* on top of each other | 2* on top of one another | on each other | one on top of the other"
    " | one on another | one upon the other | one above the other | in a <tower> | into a <tower> | to a <tower>"
    " | up | vertically | one over the other | in one column | to make a <tower> | to form a <tower> | as a <tower>",
    "in_order": "3* in this order | in that order | in the given order | in exactly this order | in order | one by one"
    " | one after another | one after the other | in this sequence | in that sequence | as listed | as said | one at a time"
    " | in the order named | in the order I say | exactly so | just like that | following this order",
    "use": "3* use | 3* take | with | using | get | employ | taking | given | choose",
    "pick": "3* take | 2* pick up | grab | get | collect | fetch | find | gather | pick | select | choose",
    "is": "4* should be | is | 2* must be | has to be | is to be | shall be | should consist of | consists of | should read"
    " | should go | goes | should look like this : | reads | should have | needs to be | ought to be | will be | contains"
    " | should contain | runs | should run | is made of | looks like this : | I want is | we need is | has",
    "want": "3* I want | 2* I'd like | 2* I would like | I need | we need | we want | I'd like to have | I would like to see"
    " | I wish for | show me | give me | get me | let me see | let me have | I'd love | can I have | may I have | let there be"
    " | have | let us have | I imagine | we would like",
    "ensure": "make sure | make sure that | ensure | ensure that | see to it that | check that | arrange things so that"
    " | make certain that | make it so that | work until | stop when",
    "up_frame": _FRAMES.replace("SIDE", "up").replace("LIST", "{bottom_to_top}"),
    "down_frame": _FRAMES.replace("SIDE", "down").replace("LIST", "{top_to_bottom}"),
    "up_say": _SAY.replace("SIDE", "up").replace("LIST", "{bottom_to_top}"),
    "down_say": _SAY.replace("SIDE", "down").replace("LIST", "{top_to_bottom}"),
    "plain_frame": _PLAIN.replace("LIST", "{bottom_to_top}"),
    "order": "4* <up_frame> | 4* <down_frame> | 1* <plain_frame>",
    "order_say": "<up_say> | <down_say>",
    "do": "<order>",
    "lists": "12* <do> | 8* <open> <do> | 3* <do> <close> | <open> <do> <close> | 6* <order_say> | <hey> , <order_say>"
    " | <order_say> <close>",
    "parts": "8* <part_do> | 5* <open> <part_do> | 3* <part_do> <close> | 5* <part_say> | <hey> , <part_say> | <part_say> <close>",
    "pair": "10* <pair_do> | 6* <open> <pair_do> | 3* <pair_do> <close> | <ask_ing> <pair_doing> | 7* <pair_say>"
    " | <hey> , <pair_say> | 2* <pair_say> <close>",
}

_SLOT = re.compile(r"\{(\w+)\}")


@cache
def grammar() -> Grammar:
    """The grammar, parsed when first needed."""
    return Grammar(RULES)


def sentence(blocks: Sequence[str], rng: random.Random) -> str:
    """One of very many ways to ask for a tower of `blocks` ("red block", ...), given bottom to top."""
    u = rng.random()
    if len(blocks) == 2:
        rule = "pair" if u < 0.5 else "parts" if u < 0.65 else "lists"
    else:
        rule = "parts" if u < 0.3 else "lists"
    template = grammar().expand(rule, rng)
    items = lists.items_of(blocks, rng)
    return dress(_SLOT.sub(lambda m: part(m[1], items, rng), template), rng)
