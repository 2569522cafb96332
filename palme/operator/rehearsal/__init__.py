"""Rehearsal: a drawn arm behind the console, to try it without a run."""
