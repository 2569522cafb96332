"""GELLO's protocol for one arm, in a distribution of its own: the base install reads no pickles."""
