"""A runnable PaLM-E: pixels and robot state in a language model's own sentence, joint commands out."""
