"""The ways in which planner and policy refuse; the loop turns each into something a person can read."""

from __future__ import annotations


class NoMotion(Exception):
    """A planner's plain answer instead of a step: the sentence asks for nothing the arm can do."""


class GoalRefused(ValueError):
    """A policy was asked for a kind of goal that it does not accept; the message names those it does."""


class StepFailed(Exception):
    """A policy cannot carry out a step (sees nothing to act on, cannot reach it): the loop plans again."""
