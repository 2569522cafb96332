"""Policy servers and clients of other stacks' protocols: openpi and GR00T. No learning here."""
