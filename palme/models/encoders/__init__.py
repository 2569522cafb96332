"""Encoders: what a sensor measured becomes features (B, N, D), one file a modality."""
