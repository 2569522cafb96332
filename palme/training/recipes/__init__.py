"""Training recipes by the name that `palme train` knows them by. One line a recipe; see `trainer.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palme.registry import Registry

if TYPE_CHECKING:
    from palme.training.trainer import TrainerConfig

RECIPES: Registry[type[TrainerConfig]] = Registry(
    "part to train",
    {
        "perception": "palme.training.recipes.detector:DetectorTraining",
        "reader": "palme.training.recipes.instruction_encoder:InstructionEncoderTraining",
        "planner": "palme.training.recipes.planner:PlannerTraining",
        "policy": "palme.training.recipes.chunk_policy:ChunkPolicyTraining",
    },
)
