"""Cameras and pictures of the simulated table."""
