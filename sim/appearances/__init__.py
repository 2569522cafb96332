"""Appearances beyond the 24 names: textures and shapes that only a picture and a sentence tell of."""
