"""Our CLIP as it is shipped: the towers, behind the sentence encoder of the planner's weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from palme.language.instruction_encoder import FOLDER, InstructionEncoder
from palme.models.clip.base import Vectors
from palme.models.clip.towers import Towers
from palme.perception.square_crops import PIXELS
from palme.precision import autocast
from palme.weight_files import BadWeights, load_state, read_json
from robots.files import replacing_files, write_text

READER = Path(__file__).parents[2] / "weights" / "planner" / FOLDER
WEIGHTS = Path(__file__).parents[2] / "weights" / "clip"
CONFIG, TENSORS = "config.json", "model.safetensors"
MODEL_TYPE = "palme_clip"
REMEDY = "train it with `palme train clip`"
LAYERS = 3
"""Of the sentence encoder, whose later ones were trained to tell kinds of instructions apart. A linear probe
reads colour, shape and texture of both things of "A in B" at 80 to 84 % from the third,
61 to 85 % from the last."""
AT_ONCE = 256


class TrainedClip:
    """See module, and `palme.models.clip.base.Clip`.

    Args:
        towers: trained, or not yet.
        reader: the sentence encoder; it stays as it is.
        least: see `Clip`.
    """

    def __init__(self, towers: Towers, reader: InstructionEncoder, least: float = -1.0) -> None:
        self.towers, self.reader = towers.eval(), reader
        self.scale, self.least = float(towers.scale.detach()), least
        self._known: dict[str, NDArray[np.float32]] = {}

    @classmethod
    def load(cls, folder: str | Path = WEIGHTS, reader: str | Path = READER) -> TrainedClip:
        """From a folder with the towers, and the folder of the sentence encoder.

        Raises:
            WeightsMissing, BadWeights: one is missing or damaged, or the sentence encoder is not the one that
                the towers were trained on.
        """
        config = read_json(Path(folder) / CONFIG, REMEDY)
        own = reader_digest(reader)
        if config.get("reader") != own:
            raise BadWeights(
                f"{folder}: trained on a sentence encoder with digest {config.get('reader')}, and "
                f"{reader} has {own}; {REMEDY}"
            )
        towers = Towers(int(config["width"]), int(config["dim"]))
        load_state(towers, Path(folder) / TENSORS, REMEDY)
        return cls(towers, sentence_encoder(reader), float(config["least"]))

    @torch.inference_mode()
    def images(self, rgb: NDArray[np.uint8]) -> Vectors:
        """See `Clip.images`."""
        rows = [np.zeros((0, self.towers.dim), np.float32)]
        for part in (rgb[k : k + AT_ONCE] for k in range(0, len(rgb), AT_ONCE)):
            if part.shape[1:3] != (PIXELS, PIXELS):
                part = np.stack([cv2.resize(r, (PIXELS, PIXELS), interpolation=cv2.INTER_AREA) for r in part])
            with autocast():
                rows.append(self.towers.images(torch.from_numpy(np.ascontiguousarray(part))).numpy())
        return np.concatenate(rows)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Vectors:
        """See `Clip.texts`. Those of before are kept."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for part in (new[k : k + AT_ONCE] for k in range(0, len(new), AT_ONCE)):
            found = self.towers.texts(self.reader.vectors(part)).numpy()
            self._known |= dict(zip(part, found, strict=True))
        return (
            np.stack([self._known[text] for text in texts])
            if texts
            else np.zeros((0, self.towers.dim), np.float32)
        )


def sentence_encoder(reader: str | Path = READER) -> InstructionEncoder:
    """The lower layers of the sentence encoder. Raises WeightsMissing, BadWeights."""
    return InstructionEncoder.load(reader).lower(LAYERS)


def save(towers: Towers, reader: str | Path, folder: Path, least: float = -1.0) -> Path:
    """Write the towers in bf16 and their configuration into `folder`; returns it."""
    from safetensors.torch import save_file

    halves = {k: v.bfloat16() if v.is_floating_point() else v for k, v in towers.state_dict().items()}
    config = {
        "model_type": MODEL_TYPE,
        "width": towers.width,
        "dim": towers.dim,
        "reader": reader_digest(reader),
        "least": round(least, 4),
    }
    with replacing_files(folder) as beside:
        save_file({k: v.detach().cpu().contiguous() for k, v in halves.items()}, Path(beside) / TENSORS)
        write_text(Path(beside) / CONFIG, json.dumps(config, indent=2) + "\n")
    return folder


def reader_digest(reader: str | Path) -> str:
    """First 16 digits of the SHA-256 of a sentence encoder's weights."""
    digest = hashlib.sha256()
    for file in sorted(Path(reader).glob("*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
