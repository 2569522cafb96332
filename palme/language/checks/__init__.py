"""Whether a program accounts for the words of its sentence; shares nothing with the model that wrote it."""
