"""The Audio Spectrogram Transformer of `transformers` as an encoder of sound (Gong et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from palme.models.audio import prepare_audio, samples_of
from palme.models.backbone_encoder import BackboneEncoder
from palme.models.encoders.base import Arrays
from robots.types import AudioClip

SPECIAL = 2  # a class and a distillation token come first
SAMPLE_HZ = 16_000


class PretrainedAudioEncoder(BackboneEncoder):
    """Clips (B, S) at 16 kHz -> features (B, N, `dim`), one for each patch of the spectrogram.

    Args:
        backbone: an AST, with `num_mel_bins` and `max_length` in its config.
        layer, freeze: see `BackboneEncoder`.
    """

    remedy: ClassVar[str] = "name the folder of an AST in safetensors, or a model on its hub"

    def __init__(self, backbone: nn.Module, layer: int = -2, freeze: bool = True) -> None:
        from transformers import ASTFeatureExtractor

        config: Any = getattr(backbone, "config", None)
        if not all(isinstance(getattr(config, k, None), int) for k in ("num_mel_bins", "max_length")):
            raise ValueError(f"{type(backbone).__name__} takes no spectrogram; {self.remedy}")
        super().__init__(backbone, layer, freeze)
        self.extractor = ASTFeatureExtractor(
            num_mel_bins=config.num_mel_bins, max_length=config.max_length, sampling_rate=SAMPLE_HZ
        )

    @staticmethod
    def prepare(observations: Sequence[AudioClip]) -> Arrays:
        """`samples` (M, S) float32 and `sample_hz` (M,)."""
        return prepare_audio(observations)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, N, dim). Raises EncoderInputError without clips at 16 kHz."""
        samples = samples_of(batch, SAMPLE_HZ)
        rows = list(samples.detach().cpu().numpy())
        values = self.extractor(rows, sampling_rate=SAMPLE_HZ, return_tensors="pt")["input_values"]
        return self.states(input_values=values.to(samples))[:, SPECIAL:]


ENCODER = PretrainedAudioEncoder
