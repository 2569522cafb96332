"""Shapes, footprints and grasps: geometry over true poses, no physics engine."""
