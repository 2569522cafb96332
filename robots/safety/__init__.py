"""What stands before every arm: limits, workspace, clearance, and a stop within them."""
