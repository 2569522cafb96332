"""Suites of instructions: tables and cases in YAML (docs/suites.md), read, checked, and laid as scenes."""
