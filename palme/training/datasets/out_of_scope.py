"""Instructions outside the arm's skills; the planner answers `unknown`."""

from __future__ import annotations

import random

from robots.skills import COLOURS, KINDS

_PLAIN = """
what is the weather today|open the drawer|close the door|turn on the light|switch off the lamp
sing a song|tell me a joke|how are you|who are you|what time is it|make me a coffee|wipe the table
clean the desk|go to the kitchen|drive to the city|call my mother|play some music|read a book
write a letter|dance for me|hello|hello robot|good morning|thank you|stop|wave your hand|shake my hand
how much is two plus two|what is the capital of the country|walk the dog|water the plant|cook some food
wash the dishes|fold the towel|draw a circle|paint a picture|press the button
open the window and look outside|do something|do it|help me|pour some water into the cup|cut the bread
fetch me a pen|give me the scissors|throw the ball|kick the ball|say hello|tell me a story|jump|move|go
look at me|what can you do|are you a robot|where am i|answer the phone|take out the trash
bring me the laptop|search the house|build a house|make a sandwich|start the car|turn around
move to the left|rotate the arm|lift your hand|open your gripper|close the gripper|sleep|buy some milk
play chess|set the clock|sort my mail|match my socks|stack the chairs|build me a website"""
_LINES = tuple(line for row in _PLAIN.strip().split("\n") for line in row.split("|"))
_THINGS = """
banana apple sponge knife spoon fork bottle mug shirt towel shoe hat ball pen pencil hammer key laptop
lid flower plant newspaper bag orange coffee phone dog car lamp chair remote cable glass
""".split()

_PLACES = """
drawer microwave oven fridge trash bag shelf cupboard sink floor window basket bathroom chair pocket
""".split()
_VERBS = """
paint break crush cut burn eat wash clean hide count photograph describe sell melt hit shake kick
""".split()
_POLITE = ("", "", "", "please ", "could you ", "robot , ", "can you please ", "i want you to ", "now ")


def nonsense(rng: random.Random) -> str:
    """One such instruction."""
    u = rng.random()
    thing, colour, kind = rng.choice(_THINGS), rng.choice(COLOURS), rng.choice(KINDS)
    if u < 0.5:
        text = rng.choice(_LINES)
    elif u < 0.65:
        text = (
            f"{rng.choice(('pick up', 'grab', 'take', 'put away', 'bring me', 'find', 'move'))} the {thing}"
        )
    elif u < 0.8:
        text = f"{rng.choice(('put', 'place', 'drop', 'throw'))} the {thing} in the {rng.choice(_PLACES)}"
    elif u < 0.9:
        text = f"{rng.choice(_VERBS)} the {rng.choice(('', colour + ' '))}{rng.choice((thing, kind))}"
    else:
        text = f"put the {colour} {kind} in the {rng.choice(_PLACES)}"
    if rng.random() < 0.5:
        words = text.split()
        words = [w for w in words if rng.random() > 0.04]
        text = " ".join(words) or text
    return rng.choice(_POLITE) + text + rng.choice(("", "", "?", ".", " please"))
