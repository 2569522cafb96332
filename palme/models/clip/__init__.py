"""CLIP: pictures and texts in one space, ours and any of `transformers`."""
