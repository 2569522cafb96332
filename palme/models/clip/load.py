"""A CLIP by name: ours, a folder, or a model on the hub."""

from __future__ import annotations

from pathlib import Path

from palme.models.clip.base import Clip
from palme.models.clip.trained import CONFIG, MODEL_TYPE, REMEDY, WEIGHTS, TrainedClip
from palme.weight_files import read_json


def load_clip(name: str | Path = "") -> Clip:
    """The CLIP at `name`: "" = the shipped one; a folder of ours or of `transformers`, or a name on its hub.

    Raises:
        WeightsMissing, BadWeights: there is no such model, or its files are damaged, with the remedy.
    """
    folder = Path(name or WEIGHTS)
    if not name or (folder.is_dir() and _is_ours(folder)):
        return TrainedClip.load(folder)
    from palme.models.clip.pretrained import PretrainedClip

    return PretrainedClip.load(name)


def _is_ours(folder: Path) -> bool:
    path = folder / CONFIG
    return path.exists() and read_json(path, REMEDY).get("model_type") == MODEL_TYPE
