"""CLIP beside the detector: names that it was never trained on, and a second opinion on what a step did."""
