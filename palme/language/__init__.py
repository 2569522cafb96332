"""Sentences of words and observations, vocabularies, prompts, and the grammar of the planner's answers."""
