"""Training recipes by the name that `palme train` takes; how to add one: see `palme.training.trainer`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palme.registry import Registry

if TYPE_CHECKING:
    from palme.training.config import TrainerConfig

RECIPES: Registry[type[TrainerConfig]] = Registry(
    "part to train",
    {
        "perception": "palme.training.recipes.detector:DetectorTraining",
        "reader": "palme.training.recipes.instruction_encoder:InstructionEncoderTraining",
        "planner": "palme.training.recipes.planner:PlannerTraining",
        "programs": "palme.training.recipes.programs:ProgramsTraining",
        "embodied": "palme.training.recipes.embodied:EmbodiedTraining",
        "clip": "palme.training.recipes.clip:ClipTraining",
        "vision": "palme.training.recipes.vision:VisionTraining",
        "policy": "palme.training.recipes.chunk_policy:ChunkPolicyTraining",
        "senses": "palme.training.recipes.senses:SensesTraining",
    },
)
