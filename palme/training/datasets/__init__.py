"""Training data: questions, recorded motions, simulated detections, labelled pictures."""
