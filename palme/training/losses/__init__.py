"""Losses of the training recipes."""
