"""Connectors: features (B, N, D_enc) -> soft tokens (B, K, D_lm), one file a connector.

A file here whose class is named `CONNECTOR` is a kind that a configuration may name.
"""

from palme.models.connectors.base import Connector
from palme.registry import Registry

CONNECTORS: Registry[type[Connector]] = Registry.of_package(
    "kind of connector", __name__, __path__, "CONNECTOR", leave_out=("base",)
)
