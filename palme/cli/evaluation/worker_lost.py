"""The error of an evaluation whose worker process is gone."""

from __future__ import annotations


class WorkerLost(Exception):
    """A worker process ended before its episode did, as when the memory ran out."""
