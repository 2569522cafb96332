"""Arms without any learning: types, limits, kinematics, trajectories, the safety gate."""
