"""Rehearsal: a desk with a small arm of lines behind it, to try the console where there is no run."""
