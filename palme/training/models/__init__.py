"""The models that recipes train, as they are when training begins."""
