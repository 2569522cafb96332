"""What is true of a table at the end: formulas over the simulator's own state, and what was moved besides."""
