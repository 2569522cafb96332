"""The two ways in which planner and policy say no; the loop turns each into something a person can read."""

from __future__ import annotations


class NoMotion(Exception):
    """A planner's plain answer instead of a step: the sentence asks for nothing the arm can do."""


class StepFailed(Exception):
    """A policy cannot carry out a step (sees nothing to act on, cannot reach it): the loop plans again."""
