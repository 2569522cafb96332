"""Rules that every family's grammar shares: how people open, close and soften a request."""

from __future__ import annotations

import random
from collections.abc import Iterable


def either(words: Iterable[str]) -> str:
    """The rule text that chooses among `words`."""
    return "( " + " | ".join(words) + " )"


COMMON = {
    "hey": "hey | hi | hello | okay | ok | alright | right | so | now | well | hey robot | robot | dear robot"
    " | hello robot | listen | hi there | good morning | okay robot | next | now then | great | attention | yo",
    "ask": "4* please | kindly | could you [please] | can you [please] | would you [please] | will you [please]"
    " | could you kindly | would you kindly | you should | you must | you need to | you have to | you ought to"
    " | I want you to | I need you to | I would like you to | I'd like you to | I would love you to"
    " | we want you to | we need you to | your task is to | your job is to | the task is to | the goal is to"
    " | your goal is to | the aim is to | go ahead and | go and | try to | make sure to | remember to"
    " | do not forget to | don't forget to | be so kind as to | do me a favour and | do me a favor and"
    " | let us | let's | just | now | simply | it is time to | I am asking you to | be a dear and"
    " | it would be great if you could | it would be nice if you could | I was hoping you could"
    " | I was wondering if you could | would it be possible to | is it possible for you to | are you able to"
    " | if you could | first of all | if possible | if you can | when you can | when you have a moment"
    " | when you are ready | whenever you are ready | as soon as you can | use the gripper to | use your arm to"
    " | use your hand to | with your gripper | help me | help me to | feel free to | quickly | carefully | gently"
    " | slowly | immediately | at once | I want to | I need to | we have to | we need to | it is necessary to"
    " | what you have to do is | all you have to do is | what I want is to | the robot should | the arm should"
    " | the robot has to | the arm must",
    "open": "4* <ask> | <hey> [,] <ask> | <hey> ,",
    "ask_ing": "would you mind | do you mind | how about | what about | the task is | your job is | start by"
    " | begin by | try | please start | consider | I suggest | help me by | go ahead with | we are | start"
    " | focus on | think about | you could help by | I would appreciate you | please help by",
    "bye": "6* please | thanks | thank you | thank you very much | for me | for us | now | right now | if you can"
    " | if possible | if you would | would you | will you | could you | ok | okay | carefully | gently | slowly"
    " | quickly | at once | immediately | as soon as possible | asap | and then stop | and stop there"
    " | that is all | that's all | that is it | and nothing else | without touching anything else"
    " | and leave the rest alone | and leave everything else | and do not move the others | with care"
    " | cheers | robot | when you are ready | whenever you like | today | once you are ready | and you are done"
    " | then you are done | there is a good robot | in one go | step by step | with your gripper"
    " | using your gripper | with your arm | and let me know when you are done | buddy | my friend | mate",
    "close": "[,] <bye>",
}


def dress(text: str, rng: random.Random) -> str:
    """`text` with the capitals and the full stop that people may or may not write."""
    u = rng.random()
    if u < 0.5:
        text = text[:1].upper() + text[1:]
    elif u < 0.53:
        text = text.upper()
    return text + rng.choice(("", "", ".", ".", "!", "?", " ..."))
