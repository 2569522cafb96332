"""Other stacks' own packages as judges of ours, each in an environment of its own."""
