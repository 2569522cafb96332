"""The eyes: pictures become objects with names, places and holders; step texts become points to act on."""
