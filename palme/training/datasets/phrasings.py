"""Phrasings of goals, in addition to those of the task families, with cues of order from pairs of opposites.

The direction of a tower's list depends on a few words anywhere in the sentence ("each below the one before").
Every such cue is made for both directions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from palme.language.answers import Goal

_LOW = "bottom|base|foot|ground|table|floor|foundation|lowest level|lowest place|lower end|underside"
_HIGH = "top|summit|peak|crown|roof|ceiling|tip|highest level|highest place|upper end|apex|head"
_LOWEST = (
    "lowest|bottommost|undermost|nearest to the table|closest to the ground|furthest down|right at the bottom"
)
_HIGHEST = (
    "highest|topmost|uppermost|furthest from the table|closest to the ceiling|furthest up|right at the top"
)
_ONE = "one|block|cube|piece|colour|item|brick"
_NAMED = "named|mentioned|listed|said|given|written|told|called"
_INTRO = """build a tower|make a tower|stack the blocks|build a stack|pile them up|make a pile|stack|pile up
put up a tower|i want a tower|i would like a stack|we need a tower|please build a tower|set up a column
create a tower|construct a tower|arrange a stack|form a tower|let us make a tower|could you build a stack
get me a tower|assemble a tower|produce a stack|erect a column|make one pile|stack these|your job is a tower
tower time""".replace("\n", "|")
_OF = "of|from|with|using|out of|made of|that has|containing|:|,"
_SHALL = """the order is|the tower reads|it should be|the order must be|i want|the stack goes|take|use
the blocks are|it goes|the colours are|the list is|here is the order|you get|it consists of|that gives|we have
read""".replace("\n", "|")
_ENDS = ("", "", "", ".", "!", "please", ", please .", "thanks", "?", "now")

Pick = Callable[[str], str]


def _picker(rng: random.Random) -> Pick:
    """Draws one of "this|or that"."""
    return lambda text: rng.choice(text.split("|"))


def phrase(goal: Goal, rng: random.Random) -> str:
    """An instruction for `goal`."""
    if goal.kind == "stack":
        text = _tower(goal.order, rng)
    elif goal.kind == "in":
        text = _into(goal.order[1], goal.order[0], rng)
    else:
        text = _match(_picker(rng))
    return f"{text} {rng.choice(_ENDS)}"


def _cue(up: bool, rng: random.Random) -> str:
    """Words for the direction of a list: up (its first is the lowest) or down."""
    pick, k = _picker(rng), rng.randrange(18)
    near, far = (_LOW, _HIGH) if up else (_HIGH, _LOW)
    nearest, farthest = (_LOWEST, _HIGHEST) if up else (_HIGHEST, _LOWEST)
    a, b, one, named = pick(near), pick(far), pick(_ONE), pick(_NAMED)
    sits = pick("goes|sits|is|lies|rests|stands|belongs|ends up|comes|shall be")
    if k == 0:
        return pick(f"from {a} to {b}|from the {a} to the {b}|{a} to {b}|between {a} and {b}")
    if k == 1:
        start = pick("starting|beginning|start|begin|we start|you begin")
        return f"{start} {pick('at|from|with|on|by')} the {a}"
    if k == 2:
        return f"{pick('ending|finishing|end|stopping|arriving')} {pick('at|with')} the {b}"
    if k == 3:
        return pick(f"{a} first|{b} last|{a} {one} first|{a} {named} first|{b} {named} last")
    if k in (4, 5):
        which, place = ("first", f"at the {a}|{nearest}") if k == 4 else ("last", f"at the {b}|{farthest}")
        said = pick(f"{one}|{named}|{one} {named}")
        return f"{pick('the|with the|and the')} {which} {said} {sits} {pick(place)}"
    over = pick("above|on top of|on|over|upon|higher than|onto")
    under = pick("below|under|beneath|underneath|lower than")
    each = pick(f"each|every|each one|every block|each {one}|any {one}")
    if k in (6, 7):
        new = pick(f"{each}|each next one|every further one|each later one|each new {one}")
        before = pick(
            f"the one before|the previous one|the preceding one|the one just {named}|its predecessor"
        )
        return f"{new} {pick(f'{sits}|')} {over if up else under} {before}"
    if k == 8:
        after = pick(f"the one after|the next one|the following one|the one {named} next|its successor")
        return f"{each} {pick(f'{sits}|')} {under if up else over} {after}"
    low = pick("lower|further down|nearer the table|deeper")
    high = pick("higher|further up|nearer the top")
    early, late = pick("earlier|sooner|before"), pick("later|afterwards|after")
    if k == 9:
        what = pick("what is|whatever is|what you hear|blocks|what i say")
        return f"{what} {late} {sits} {high if up else low}"
    if k == 10:
        what = pick("what is|whatever is|the ones|blocks|what i say")
        return f"{what} {named} {early} {sits} {low if up else high}"
    if k == 11:
        return f"{late} means {high if up else low}"
    if k == 12:
        rise = "upwards|upward|going up|rising|climbing|ascending|bottom up|growing|moving up"
        return pick(
            rise if up else "downwards|downward|going down|falling|sinking|descending|top down|moving down"
        )
    if k == 15:
        seen = pick(
            "seen|read|viewed|told|counted|listed|looked at|looking|as seen|when i look|reading|counting"
        )
        return f"{seen} from {pick('below|underneath|the ' + a if up else 'above|overhead|the ' + a)}"
    if k == 16:
        to = pick("towards|toward|on to|all the way to|through to|until|over to")
        return f"from the {a} {to} the {b}"
    if k == 17:
        go = pick("climb|go up|walk up|rise" if up else "descend|go down|walk down|sink")
        as_you = pick("as you|when you|if you|while you")
        return f"{as_you} {go} {pick('|the tower|it')} {pick(f'from the {a}|')}"
    if k == 13:
        return f"{pick(nearest)} {pick(f'first|{one} first|to begin with|comes first')}"
    return f"{pick(farthest)} {pick(f'last|{one} last|at the end|comes last|to finish')}"


def _list(words: Sequence[str], rng: random.Random) -> str:
    u = rng.random()
    colours = [w.split("_")[0] for w in words]
    if u < 0.4:
        names = colours
    elif u < 0.65:
        names = [f"the {w.replace('_', ' ')}" for w in words]
    else:
        noun = rng.choice(("block", "cube", "one", "brick", "box", "piece"))
        the = rng.choice(("the ", "", ""))
        names = [f"{the}{c} {noun}" for c in colours]
    join = rng.choice((", ", ", ", " , then ", " then ", " and then ", ", next ", " - ", "; ", " and "))
    if rng.random() < 0.5:
        return join.join(names)
    last = rng.choice((" and ", ", and ", " and finally ", ", and last ", " and at last "))
    return join.join(names[:-1]) + last + names[-1]


def _tower(order: Sequence[str], rng: random.Random) -> str:
    """`order` from the bottom."""
    pick, up = _picker(rng), rng.random() < 0.5
    cue, intro, shall = _cue(up, rng), pick(_INTRO), pick(_SHALL)
    listed = _list(order if up else order[::-1], rng)
    if rng.random() < 0.15:  # two cues
        cue = f"{cue} {pick(',|and|so')} {_cue(up, rng)}"
    k = rng.randrange(7)
    if k == 0:
        return f"{intro} {pick(_OF)} {listed} , {cue}"
    if k == 1:
        return f"{intro} , {cue} : {listed}"
    if k == 2:
        return f"{cue} , {shall} {listed}"
    if k == 3:
        return f"{intro} {cue} {pick(',|:|with|and use|take|as')} {listed}"
    if k == 4:
        return f"{listed} : {intro} {cue}"
    if k == 5:
        return f"{shall} {listed} {pick(',|(|;|-')} {cue}"
    return f"{intro} . {shall} {listed} . {cue}"


def _the(word: str, nouns: str, rng: random.Random) -> str:
    colour, kind = word.split("_")
    pick = _picker(rng)
    return f"{pick('the|the|the|that|my|your|a')} {colour} {kind if rng.random() < 0.5 else pick(nouns)}"


def _into(block: str, bowl: str, rng: random.Random) -> str:
    pick = _picker(rng)
    x = _the(block, "cylinder|tube|can" if block.endswith("cylinder") else "cube|block|brick|box|piece", rng)
    y = _the(bowl, "bowl|dish|container|basin|cup|vessel", rng)
    verb = pick("put|place|drop|move|set|bring|carry|take|get|transfer|lay|deliver|pop|stick|leave")
    return rng.choice(
        (
            f"{verb} {x} {pick('in|into|inside|to|over to|down in')} {y}",
            f"{y} {pick('should hold|must contain|is where you put|needs|wants|gets|is for')} {x}",
            f"{pick('into|in|inside')} {y} {pick('goes|comes|belongs|please put|,')} {x}",
            f"{x} {pick('belongs in|goes into|should be in|has to end up in|is to lie in|to')} {y}",
            f"make sure {x} {pick('ends up in|is inside|lies in|finds its way to')} {y}",
            f"{pick('fill|load|provide|furnish')} {y} with {x}",
            f"i want {x} {pick('in|inside|to be in|moved to')} {y}",
            f"take {x} and {verb} it {pick('in|into|inside')} {y}",
            f"see {y} ? {verb} {x} {pick('there|in it|inside it|into it')}",
            f"{pick('the home of|the place for|the target for')} {x} is {y}",
        )
    )


def _match(pick: Pick) -> str:
    blocks, bowls = pick("blocks|cubes|bricks|pieces|things"), pick("bowls|dishes|containers|cups|vessels")
    one, bowl = blocks[:-1], bowls[:-1] if bowls != "dishes" else "dish"
    colour, each = pick("colour|color|hue|shade"), pick("each|every")
    same = pick("same|matching|corresponding|right|own|like|equal|identical")
    verb = pick("put|place|sort|move|bring|drop|distribute|arrange|tidy|lay")
    forms = (
        f"{verb} {pick('all|all the|the|these')} {blocks} into the {bowls} of the {same} {colour}",
        f"{verb} {each} {one} in the {bowl} {pick('of|with|that has')} its {colour}",
        f"sort the {blocks} by {colour}",
        f"{pick('match|pair|group')} {blocks} {pick('and|with|to')} {bowls} by {colour}",
        f"{each} {one} {pick('belongs|goes')} in the {bowl} that {pick('matches it|looks like it')}",
        f"{each} {one} {pick('belongs|goes')} in the {bowl} that shares its {colour}",
        f"no {one} may stay outside the {bowl} of its {colour}",
        f"{colour} by {colour} , {verb} the {blocks} into the {bowls}",
        f"tidy up : {pick('like|same')} {colour} {pick('goes with|to|into')} like {colour}",
        f"the {colour} of a {one} tells you its {bowl} ; {verb} them all",
        f"make the {blocks} and the {bowls} {pick('agree|match|fit')} in {colour}",
        f"{verb} everything where its {colour} belongs",
        f"give {each} {bowl} the {one} of its own {colour}",
    )
    return pick("|".join(forms))
