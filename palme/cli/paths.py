"""Where configs and weights lie: beside the packages, in a checkout as in an installation."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIGS = ROOT / "configs"
WEIGHTS = ROOT / "palme" / "weights"
