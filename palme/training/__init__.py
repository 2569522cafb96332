"""One readable recipe a file: perception, planner, policy."""
