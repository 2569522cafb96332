"""Safety layer of every arm: joint limits, workspace, clearance, and stops within the limits."""
