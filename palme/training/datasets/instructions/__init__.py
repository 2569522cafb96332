"""Sentences and the programs they mean: drawn from a synchronous grammar, see `grammar`."""
