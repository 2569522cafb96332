"""One file a recipe: its loss, its parameter groups, its evaluation."""
