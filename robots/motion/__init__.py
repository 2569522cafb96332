"""Kinematics and jerk-limited motions. No learning, no simulator."""
