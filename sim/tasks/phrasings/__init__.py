"""Instruction templates: grammars, written ones and those kept for tests."""
