"""Small planners, detector and scenes for tests."""

from __future__ import annotations

import random

import numpy as np
import torch

from palme.cli.rig.task_source import task_source
from palme.language.tokenizer import build_tokenizer
from palme.models.embodied_lm import SMALL_BACKBONE, EmbodiedConfig, EmbodiedLM
from palme.models.modality import Modality, modality
from palme.perception.objects import PerceivedObjects
from palme.training.datasets.detection_noise import SHARP, perceive
from palme.training.resources import Resources
from robots.types import Observation, RobotState
from sim.world.state import ObjectSpec, SceneState

TINY = {
    **SMALL_BACKBONE,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
SOURCE = task_source()
RESOURCES = Resources(task_source=lambda: SOURCE)


SENSES = (modality("object"), modality("state"))


def tiny_model(*more: Modality, **kwargs) -> EmbodiedLM:
    """A model of the small kind whose sentence holds objects, the arm's state and `more`."""
    torch.manual_seed(0)
    config = EmbodiedConfig.for_tokenizer(build_tokenizer(), TINY, (*SENSES, *more), **kwargs)
    return EmbodiedLM(config).eval()


def scene(*rows: str) -> SceneState:
    """A state from lines such as "red block" (on the table) or "red block > blue bowl"."""
    pairs = [(row.split(" > ") + [""])[:2] for row in rows]
    names = [name for name, _ in pairs]
    holder = tuple(names.index(h) if h else None for _, h in pairs)
    return SceneState(tuple(ObjectSpec(*name.split()) for name in names), holder)


def seen(state: SceneState, seed: int = 0, order=None) -> PerceivedObjects:
    """What a perfect detector reports of `state`."""
    order = list(range(len(state.objects))) if order is None else order
    fields = perceive(state, order, random.Random(seed), SHARP)
    n = len(order)
    zeros = {"feature": np.zeros((n, 4), np.float32), "pixel": np.zeros((n, 2), np.float32)}
    return PerceivedObjects(**fields, **zeros)


def observation() -> Observation:
    state = RobotState(np.zeros(7), np.zeros(7), 1.0, np.eye(4))
    return Observation({}, state, 0.0)
