"""Arms by their vendors' own interfaces, one file each, behind one protocol."""
