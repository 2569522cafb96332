"""The detector: pictures -> objects with classes, positions and holders; steps -> grasp and place points."""
