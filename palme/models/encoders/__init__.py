"""Encoders: sensor measurements -> features (B, N, D), one file a modality.

A file here whose class is named `ENCODER` is a kind that a configuration may name.
"""

from palme.models.encoders.base import Encoder
from palme.registry import Registry

ENCODERS: Registry[type[Encoder]] = Registry.of_package(
    "kind of encoder", __name__, __path__, "ENCODER", leave_out=("base",)
)
