"""Kinematics and jerk-limited motions, without learning or a simulator."""
