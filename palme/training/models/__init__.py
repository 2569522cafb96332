"""The models that recipes train, in their initial state."""
