"""A rig: an arm, its table, a planner and a policy, put together as the configuration says."""
