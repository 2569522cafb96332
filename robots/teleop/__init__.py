"""Teleoperation and takeover: who commands the arm, how a device's motion becomes joint targets."""
