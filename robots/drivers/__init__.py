"""Drivers: one file for each vendor's interface, all behind one protocol."""
