"""What is wrong with a suite."""

from __future__ import annotations


class BadSuite(ValueError):
    """A suite file that is not of the documented form; the message names file, place and remedy."""
