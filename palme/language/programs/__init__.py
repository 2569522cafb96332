"""Instruction programs: the small typed language that a sentence is read into; see `calls`."""
