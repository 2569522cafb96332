"""A person at the arm: who commands it now, and how a hand's wish becomes joint targets. No learning."""
