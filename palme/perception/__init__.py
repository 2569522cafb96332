"""The detector: pictures become objects with names, places and holders; steps become points to act on."""
