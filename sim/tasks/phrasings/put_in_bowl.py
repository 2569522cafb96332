"""Training sentences of put_in_bowl: who goes where, said in either mention order."""

from __future__ import annotations

import random
from functools import cache

from sim.tasks.phrasings import nouns
from sim.tasks.phrasings.common import COMMON, dress, either
from sim.tasks.phrasings.grammar import Grammar

VERBS = (
    # imperative, -ing, participle
    ("put", "putting", "put"), ("place", "placing", "placed"), ("set", "setting", "set"),
    ("lay", "laying", "laid"), ("move", "moving", "moved"), ("drop", "dropping", "dropped"),
    ("bring", "bringing", "brought"), ("transfer", "transferring", "transferred"),
    ("deposit", "depositing", "deposited"), ("stick", "sticking", "stuck"), ("pop", "popping", "popped"),
    ("shift", "shifting", "shifted"), ("relocate", "relocating", "relocated"),
    ("position", "positioning", "positioned"), ("carry", "carrying", "carried"),
    ("drop off", "dropping off", "dropped off"), ("toss", "tossing", "tossed"), ("throw", "throwing", "thrown"),
    ("leave", "leaving", "left"), ("stow", "stowing", "stowed"), ("store", "storing", "stored"),
    ("insert", "inserting", "inserted"), ("slot", "slotting", "slotted"), ("tuck", "tucking", "tucked"),
    ("plonk", "plonking", "plonked"), ("dump", "dumping", "dumped"), ("rest", "resting", "rested"),
    ("lower", "lowering", "lowered"), ("deliver", "delivering", "delivered"), ("send", "sending", "sent"),
    ("get", "getting", "got"), ("slip", "slipping", "slipped"), ("fit", "fitting", "fitted"),
    ("take", "taking", "taken"), ("guide", "guiding", "guided"), ("park", "parking", "parked"),
    ("settle", "settling", "settled"), ("arrange", "arranging", "arranged"), ("keep", "keeping", "kept"),
    ("haul", "hauling", "hauled"), ("push", "pushing", "pushed"), ("pass", "passing", "passed"),
    ("chuck", "chucking", "chucked"), ("load", "loading", "loaded"), ("pack", "packing", "packed"),
    ("release", "releasing", "released"), ("add", "adding", "added"), ("pick and place", "picking", "collected"),
)  # fmt: skip

RULES = {
    **COMMON,
    "put": "25* put | 8* place | 6* move | " + " | ".join(v[0] for v in VERBS),
    "putting": either(v[1] for v in VERBS),
    "done_": "8* put | 5* placed | 3* moved | " + " | ".join(v[2] for v in VERBS),
    "into": "10* in | 8* into | 5* inside | 2* inside of | to | over to | over into | down in | down into"
    " | to the inside of | into the inside of | in the middle of | into the middle of | at the bottom of"
    " | within | onto | on | right into | straight into | so that it is in | so that it ends up in"
    " | so it sits in | until it is inside | towards | into the interior of | in the centre of",
    "within": "8* in | 6* inside | 3* into | 2* inside of | within | in the middle of | at the bottom of | on"
    " | safely in | right in | resting in | sitting in | lying in",
    "pick": "5* pick up | 3* take | 3* grab | grasp | get | fetch | lift | collect | pick | seize | find | locate"
    " | select | choose | hold | take hold of | get hold of | go to | reach for | close the gripper on | catch"
    " | lift up | raise | scoop up | go and get | look for | search for | go for | identify",
    "it": "6* it | that | this | the thing | the object | that one | the same | the item",
    "goes": "4* goes | 3* should go | 3* belongs | has to go | needs to go | must go | ought to go | can go"
    " | is to go | should be <done_> | needs to be <done_> | has to be <done_> | must be <done_> | is to be <done_>"
    " | ought to be <done_> | gets <done_> | wants to be <done_> | should end up | must end up | ends up"
    " | should land | is supposed to be | is meant to go | is meant to be | should sit | should be | must be"
    " | needs to be | has to be | should rest | lives | finds its home | should lie | may go | will go"
    " | is supposed to go | needs moving | would be better | should find itself | will be <done_>"
    " | can be <done_> | is going | is needed | is wanted | has its place | should be found | should stay",
    "holds": "4* should hold | 3* should contain | 2* gets | receives | must contain | must hold | needs to have"
    " | should have | takes | should receive | ought to hold | ought to contain | should end up with"
    " | needs to hold | needs to contain | has to hold | has to contain | is for | is meant for | is reserved for"
    " | is waiting for | wants | is the place for | is the home of | is the destination of | is the container for"
    " | is where you put | is where I want | is to hold | is to contain | is to receive | will hold | will contain"
    " | should get | should carry | is supposed to hold | is supposed to contain | should be filled with"
    " | needs to be filled with | is the target for | is the right place for | should store | shall contain"
    " | is missing | lacks | needs | is to be loaded with | is to be given | accepts | expects | has room for",
    "contain": "hold | contain | have | receive | get | take | store | keep | carry | end up with | be the place for"
    " | be home to | be filled with | accept",
    "fill": "fill | load | supply | provide | stock | furnish | equip | charge",
    "filling": "filling | loading | supplying | providing | stocking",
    "ensure": "make sure | make sure that | ensure | ensure that | see to it that | check that | be sure that"
    " | make certain that | take care that | I want it so that | it is important that | arrange things so that"
    " | change the scene so that | make it so that | act so that | I expect that | I hope that",
    "want": "I want | I'd like | I would like | I need | I would love | we need | we want | I wish | I want to see"
    " | I would like to see | I'd like to have | let me see | I'd love to see | I prefer | they want | she wants"
    " | he wants | the customer wants | let me have | give me",
    "be_in": "8* | to be | to go | to end up | placed | put | moved | to be <done_> | to land | to sit | to rest"
    " | lying | sitting | <done_>",
    "after": "[,] and [then] | , then | , | then | and | [,] and afterwards | [,] and after that | [,] next"
    " | [,] and finally | . then | . | ;",
    # the requests themselves, each with {block} and {bowl} once
    "do": "14* <put> {block} <into> {bowl} | 4* <pick> {block} <after> <put> <it> <into> {bowl}"
    " | <into> {bowl} [,] <put> {block} | <pick> {block} <after> <put> <it> down <into> {bowl}"
    " | 2* use {bowl} (for | to (hold | store | contain | keep | carry)) {block}"
    " | use {bowl} as the (container | home | place | destination | holder) (for | of) {block}"
    " | (let | make | have) {bowl} <contain> {block} | 2* <fill> {bowl} with {block}"
    " | (give | hand | assign | offer | feed | bring | serve) {bowl} {block}"
    " | (give | assign | hand | offer | deliver | feed | send | introduce | return | match) {block} to {bowl}"
    " | (have | get | let | make) {block} [be] <done_> <within> {bowl} | (get | let | have) {block} (be | go | end up)"
    " <within> {bowl} | <put> <into> {bowl} {block} | 2* <ensure> {block} (is | ends up | goes | lands | gets | will be"
    " | sits | rests | is <done_> | stays | lies) <within> {bowl} | <ensure> {bowl} (holds | contains | has | gets"
    " | receives | carries | is holding | is given | ends up with) {block} | <pick> {block} <after> <pick> {bowl}"
    " <after> <put> (the first | the former) <into> (the second | the latter | the other)"
    " | (find | locate | look for | spot) {bowl} <after> <put> {block} (in it | into it | inside | inside it | there)"
    " | (find | locate | look for | spot | pick | choose) {bowl} <after> (fill it with | add | drop in | put in) {block}"
    " | go to {block} , (grasp | grab | take) it , (move | carry it) (over | above) {bowl} and (let go | release it"
    " | drop it | open the gripper) | <pick> {block} and (let it go | release it | open the gripper | let it fall)"
    " (over | above | in | inside) {bowl} | (change | update) the (position | place | location) of {block} to {bowl}"
    " | (find | make) (a place | room | space) for {block} <within> {bowl} | (combine | join | unite) {block} with"
    " {bowl} | (hide | leave | bury | keep | save) {block} <within> {bowl} | reposition {block} <into> {bowl}"
    " | (take | remove | free | lift) {block} (from where it is | from wherever it is | out of where it is"
    " | off whatever it is on) <after> <put> <it> <into> {bowl}"
    " | clear (whatever is | anything that is | everything) on (top of |) {block} <after> <put> <it> <into> {bowl}"
    " | <put> {block} where it belongs , (in | inside | into) {bowl} | <put> {block} , (wherever it is | which may be"
    " covered | and only that one | not another one) , <into> {bowl}",
    "doing": "<putting> {block} <into> {bowl} | <filling> {bowl} with {block} | picking up {block} and <putting> it"
    " <into> {bowl} | getting {block} <into> {bowl} | using {bowl} for {block} | making {bowl} <contain> {block}",
    "say": "5* {block} <goes> <within> {bowl} | 2* <within> {bowl} (goes | belongs | should be | should go | must be"
    " | must go | there should be | I want | I would like | I need | I'd like | there must be | we need | you put"
    " | you should put | lives | is the place for | has to go | needs to be) {block} | 4* {bowl} <holds> {block}"
    " | {bowl} (should have | must have | needs | needs to have | is to have | shall have | gets | has to have)"
    " {block} (in it | inside | inside it | within | placed in it | put in it)"
    " | 4* <want> {block} <be_in> <within> {bowl} | 2* <want> {bowl} to <contain> {block}"
    " | <want> {bowl} (with {block} in it | filled with {block} | holding {block} | containing {block})"
    " | {block} [,] <into> {bowl} | {bowl} [,] with {block} (in it | inside | inside it)"
    " | {block} to {bowl} | {block} into {bowl} | (destination | target | goal | container | place) : {bowl} ,"
    " (object | item | thing | cargo) : {block} | (object | item | thing | cargo) : {block} , (destination | target"
    " | goal | container | place) : {bowl} | (goal | task | target | job | mission | order | request | wish) : {block}"
    " <within> {bowl} | for {bowl} : {block} | {bowl} : put {block} (in it | inside | there)"
    " | {block} : (put it | place it | it goes | it belongs) <within> {bowl} | as for {block} , (put it | it goes"
    " | it should be | it belongs) <within> {bowl} | (see | there is | look at | you see) {block} (? | ,) (put | place |"
    " drop | move) it <into> {bowl} | (see | there is | look at | you see) {bowl} (? | ,) (put | place | drop | move)"
    " {block} (in it | inside | into it | there) | (wherever | no matter where) {block} is , <put> it <into> {bowl}"
    " | (if | when | once) you (find | see | have | spot | hold) {block} , <put> it <into> {bowl}"
    " | (if | unless | since | because | as) {block} is not <within> {bowl} yet , (put it there | move it there | change that)"
    " | {block} is not <within> {bowl} [yet] (, fix that | , change that | ; correct this | but it should be)"
    " | {bowl} (does not have | does not hold | is without | is still missing | is still lacking) {block}"
    " (, fix that | , change that | , put it in | , add it | but should)"
    " | the (home | place | right place | destination | proper place | correct place | spot | final place) (of | for)"
    " {block} is [<within>] {bowl} | {block} (belongs to | goes with | has its home in | has been assigned to | is for"
    " | is intended for | is destined for | travels to | joins) {bowl} | (can | could | may | should) {block} (be <done_> | go)"
    " <within> {bowl} | (why do you not | why don't you) <put> {block} <into> {bowl} | (what if | suppose) {block} were <within> {bowl}"
    " | nothing else , only {block} , (goes | belongs) <within> {bowl} | my (wish | request | order | command) is that"
    " {block} (be | goes | is <done_>) <within> {bowl} | we are done when {block} is <within> {bowl}"
    " | (you are done | the task is done | stop | you can stop) (when | once | as soon as) {bowl} (holds | contains |"
    " has) {block} | you (will | should | shall) (see | find | have) {block} <within> {bowl} (at the end | in the end |"
    " when you are done | afterwards) | at the end {block} (should be | must be | is) <within> {bowl}"
    " | from (the table | where it is | here) to {bowl} with {block} | {block} would look (good | nice) <within> {bowl}",
    "sentence": "22* <do> | 10* <open> <do> | 6* <do> <close> | 3* <open> <do> <close> | <ask_ing> <doing>"
    " | <ask_ing> <doing> <close> | 12* <say> | 2* <hey> , <say> | 3* <say> <close>",
}


@cache
def grammar() -> Grammar:
    """The grammar, parsed when first needed."""
    return Grammar(RULES)


def sentence(block: str, bowl: str, rng: random.Random) -> str:
    """One of very many ways to ask for `block` ("red block") to be put into `bowl` ("blue bowl")."""
    text = grammar().expand("sentence", rng)
    text = text.replace("{block}", nouns.name(block, rng)).replace("{bowl}", nouns.name(bowl, rng, alone=0.05))
    return dress(text, rng)
