"""Planners: what they are asked, what they answer, and the ones there are."""
