"""Refusals of planner and policy; the agent turns each into a message for a person."""

from __future__ import annotations


class NoMotion(Exception):
    """A planner's answer in words instead of a step: the instruction asks for nothing that a skill can do."""


class GoalRefused(ValueError):
    """A policy got a kind of goal that it does not accept; the message names those that it does."""


class StepFailed(Exception):
    """A policy cannot carry out a step (nothing found to act on, or out of reach): the agent plans again."""
