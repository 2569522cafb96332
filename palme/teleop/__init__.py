"""A person beside the loop: what the console's desk shows and does, and what typed words mean."""
