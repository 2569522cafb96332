"""What networks learn from: questions, recorded motions, imitated detections."""
