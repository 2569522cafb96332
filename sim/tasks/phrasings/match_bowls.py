"""Training sentences of match_bowls: everything to its own colour, with nothing named."""

from __future__ import annotations

import random
from functools import cache

from sim.tasks.phrasings.common import COMMON, dress
from sim.tasks.phrasings.grammar import Grammar

RULES = {
    **COMMON,
    "blocks": "8* blocks | 4* cubes | 2* boxes | bricks | pieces | toy blocks | squares | building blocks | dice"
    " | toys | wooden blocks | things | objects | items | toy bricks | cuboids | coloured blocks | colored cubes",
    "block": "8* block | 4* cube | 2* box | brick | piece | toy block | square | building block | toy | item | thing"
    " | object | one of the blocks | one of the cubes | single block | coloured block | colored cube | of the blocks",
    "bowl": "8* bowl | 4* dish | 2* container | basin | cup | plate | tray | bin | pot | vessel | tub | saucer"
    " | receptacle | bucket | basket | holder",
    "bowls": "8* bowls | 4* dishes | 2* containers | basins | cups | plates | trays | bins | pots | vessels | tubs"
    " | saucers | receptacles | buckets | baskets | holders",
    "every": "4* every | 4* each | every single | each and every | any",
    "all": "4* all the | 3* the | all | all of the | all these | all those | these | those | every one of the"
    " | the various | the different | our | your | my | both the | the scattered | the remaining",
    "same": "4* same | matching | corresponding | right | proper | own | respective | equal | identical | similar",
    "put": "10* put | 5* place | 4* sort | 3* move | set | lay | drop | bring | transfer | deposit | stick | pop | shift"
    " | carry | distribute | separate | organise | organize | arrange | group | collect | gather | store | stow"
    " | tidy | file | allocate | assign | send | return | deliver | take | get | stash | dump | throw | drop off | match"
    " | relocate | pack | clear away | split up | divide | classify | bin | leave | park | load | pair up | guide",
    "putting": "putting | placing | sorting | moving | distributing | arranging | organising | separating | bringing"
    " | returning | grouping | collecting | dropping | storing | tidying",
    "done_": "put | placed | sorted | moved | stored | dropped | arranged | kept | collected | laid | distributed",
    "into": "6* in | 6* into | 2* inside | to | with | onto | inside of | over to",
    "colour": "4* colour | 4* color | hue | shade | tone | colouring | paint | tint | coloring",
    "its_bowl": "6* the <bowl> of (its | the same | its own | that | the matching | equal | like | the very same) <colour>"
    " | 4* the (<bowl> (with | that has | having | in | which has) the <same> <colour>) | 5* the <same> coloured <bowl>"
    " | 3* the same <colour> <bowl> | 3* the <same> <bowl> | the <bowl> that (matches it | shares its <colour> | has its"
    " <colour> | is the same <colour> | matches its <colour> | looks the same | goes with it | agrees in <colour>"
    " | is of the same <colour> | it matches) | its (<bowl> | <same> <bowl> | matching <bowl> | own <bowl>)"
    " | a <bowl> (of its <colour> | of the same <colour> | with its <colour> | that matches)"
    " | whichever <bowl> (is the same <colour> | matches | has its <colour>) | the <colour> matched <bowl>"
    " | (where it belongs by <colour> | the <bowl> painted like it | the like coloured <bowl> | the equally coloured <bowl>)",
    "their_bowls": "5* the <bowls> of (their | the same | their own | matching | equal) <colour> | 4* the <bowls> (with |"
    " that have | having | in) the same <colour> | 4* the <same> <bowls> | 3* the same coloured <bowls> | their <same> <bowls>"
    " | 2* their <bowls> | <bowls> of (their | the same | their own | matching) <colour> | <bowls> that (match |"
    " match them | share their <colour> | are the same <colour> | match their <colour>) | matching <bowls>"
    " | the <bowls> (that match | they match | which share their <colour> | they belong to | they go with)"
    " | the <bowls> according to <colour> | the <bowls> (by | based on their | following their) <colour>",
    "by": "by <colour> | according to (their | the |) <colour> | based on (their | the |) <colour> | <colour> by <colour>"
    " | by matching <colour> | by their <colour> | so that the <colour> matches | with matching <colour>"
    " | following the <colour> | as their <colour> says | like with like | in terms of <colour>",
    "so": "so that | such that | until | in such a way that",
    "finished": "<every> <block> (is | ends up | sits | lies | rests | lands | is found) (in | inside) <its_bowl>"
    " | <all> <blocks> (are | end up | sit | lie | rest) (in | inside) <their_bowls>"
    " | <every> <bowl> (holds | contains | has | carries) the <block> of its [own] <colour>"
    " | the <colour> of <every> <block> (is that of | matches that of | equals that of | agrees with) its <bowl>"
    " | no <block> is (in | left outside | outside) (a <bowl> of another <colour> | its <bowl> | the wrong <bowl>)"
    " | <every> <block> (has found its <bowl> | is with its <colour> | is where its <colour> is)"
    " | (<blocks> and <bowls> match | all <colour> match | everything matches | every <colour> matches)",
    "do": "8* <put> <every> <block> <into> <its_bowl> | 8* <put> <all> <blocks> <into> <their_bowls>"
    " | 3* (match | pair | pair up | unite | join | combine | bring together | mate | couple) (<all> <blocks> (with | to"
    " | and) (<their_bowls> | the <bowls> [<by>]) | <every> <block> (with | to) <its_bowl>)"
    " | 3* (sort | organise | organize | arrange | group | separate | distribute | tidy | tidy up | classify | order | divide |"
    " allocate) <all> <blocks> [(into | in | among | across | over | between) (the | their |) <bowls>] <by>"
    " | (tidy up | clean up | tidy | sort everything | sort it all | put everything away | clear the table | clean the table"
    " | put things in order | sort things out | sort the table | order everything | make order) [,] <by>"
    " | (sort | match | group) by <colour> | <put> everything (into <its_bowl> | where its <colour> is | where it belongs <by>)"
    " | (fill | load) <every> <bowl> with (the <block> (of its | of the same | that shares its) <colour> | its <same>"
    " <block> | the <same> <block>) | (give | bring) <every> <bowl> (the <block> of its <colour> | its <same> <block>)"
    " | (find | get) <every> <block> (its | a) (home | place | <bowl>) (of the same | of its own | with the same) <colour>"
    " | for <every> <block> , (find | choose | use | pick | take) <its_bowl> and (put | place | drop) it (in | there | inside)"
    " | (take | pick up | grab | go through) <all> <blocks> (one by one | one after another | in turn | in any order |)"
    " and (put | place | drop | move) (each | every one | them | each one | each of them) <into> (<its_bowl> | <their_bowls>)"
    " | (take | pick up | grab) <every> <block> and (put | place | drop | move) it <into> <its_bowl>"
    " | (make | check | ensure | make sure | make sure that | ensure that | see to it that | arrange things so that |"
    " check that) <finished> | (get | have) <every> <block> (<done_> |) <into> <its_bowl>"
    " | (get | have) <all> <blocks> (<done_> |) <into> <their_bowls> | (work | move | rearrange | sort | shuffle) <all>"
    " <blocks> <so> <finished> | (keep going | continue | do not stop | carry on | work) until <finished>"
    " | (put | place | move | bring) (like with like | same with same | each to its own | <colour> to <colour> | the colours"
    " together | equal colours together) | (let | have) (the <colour> decide which <block> goes <into> which <bowl> | <every>"
    " <block> go <into> <its_bowl>) | (sort out | solve | do) the <colour> (matching | sorting | puzzle | game)"
    " | use the <colour> (of <every> <block> |) to (choose | decide | pick) (its | the | which) <bowl>"
    " | return <every> <block> to (its <bowl> | its own <colour> | <its_bowl> | its home)"
    " | (leave | let) no <block> (outside | out of | be out of) <its_bowl> | <put> (red with red , blue with blue and so on"
    " | red in red , blue in blue , and so on | each <colour> with its own <colour> | the colours where they belong)",
    "doing": "<putting> <every> <block> <into> <its_bowl> | <putting> <all> <blocks> <into> <their_bowls>"
    " | matching <all> <blocks> (with | to) <their_bowls> | sorting (<all> <blocks> | everything) <by>",
    "say": "5* <every> <block> (goes | belongs | should go | has to go | must go | needs to go | should be | must be | should be"
    " <done_> | must be <done_> | needs to be <done_> | is to be <done_> | ought to be | should end up | should land | wants"
    " to be | gets <done_> | lives | has its place | may go | can go) (in | into | inside) <its_bowl>"
    " | 4* <all> <blocks> (go | belong | should go | have to go | must go | need to go | should be | must be | should be <done_> |"
    " need to be <done_> | are to be <done_> | ought to be | should end up | should land | live) (in | into | inside) <their_bowls>"
    " | 2* <every> <bowl> (should hold | should contain | gets | receives | must hold | must contain | needs | wants | is for |"
    " should get | takes | is the home of | is meant for | should have) (the <block> (of its [own] | of the same | with the"
    " same | that shares its) <colour> | its <same> <block> | the <same> <block>)"
    " | 2* (I want | I'd like | I would like | I need | we want | we need | I want to see) (<every> <block> (in | inside | <done_>"
    " in | to be in | to go into | to end up in | to be <done_> in) <its_bowl> | <all> <blocks> (in | inside | <done_> in | to be in |"
    " to go into | sorted into | to end up in) <their_bowls> | <all> <blocks> sorted <by> | everything sorted <by>)"
    " | <all> <blocks> (should be | need to be | must be | have to be | are to be | ought to be) (sorted | grouped | arranged |"
    " organised | matched | put away) <by> | <into> <its_bowl> (goes | belongs | put | place | drop) <every> <block>"
    " | (a <block> and its <bowl> | <blocks> and <bowls> | <every> <block> and its <bowl>) (should | must | have to | need to)"
    " (match | have the same <colour> | share a <colour> | be of one <colour> | agree in <colour>)"
    " | (the <blocks> are | everything is | the table is) (a mess | mixed up | in the wrong place | not sorted | scattered) ,"
    " (sort them | sort it | put it right | fix that) <by> | (same <colour> , same <bowl> | matching colours go together |"
    " one <colour> a <bowl> | <colour> to <colour> | like goes with like | matching colours only | <blocks> to <same> <bowls>)"
    " | (you are done when | stop when | we are done once | the task is done when | the goal is that | we want that) <finished>"
    " | (wherever | no matter where) <every> <block> is , it (belongs | goes | should go) (in | into) <its_bowl>"
    " | (can | could) (<every> <block> go <into> <its_bowl> | <all> <blocks> be <done_> <into> <their_bowls> | <all> <blocks> be"
    " sorted <by>) | (<colour> sorting | <colour> matching | sorting by <colour> | match the colours | sort the colours) [, <bye>]"
    " | (the rule | the idea | your rule) is (simple : |) : [that] <every> <block> goes <into> <its_bowl>",
    "sentence": "10* <do> | 6* <open> <do> | 4* <do> <close> | 2* <open> <do> <close> | <ask_ing> <doing>"
    " | <ask_ing> <doing> <close> | 6* <say> | 2* <hey> , <say> | 2* <say> <close>",
}


@cache
def grammar() -> Grammar:
    """The grammar, parsed when first needed."""
    return Grammar(RULES)


def sentence(rng: random.Random) -> str:
    """One of very many ways to ask for every block to be put into the bowl of its colour."""
    return dress(grammar().expand("sentence", rng), rng)
