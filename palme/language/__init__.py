"""The sentence of words and observations, and the language model that continues it."""
