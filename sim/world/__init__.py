"""The tabletop in PyBullet: bodies, the arm, scenes and their symbols."""
