"""Episodes on disk: LeRobotDataset v3.0, written so that a finished one is never lost, and read back quickly.

`writer` says in which order files appear; `schema` says what is in them; `reader` gives any frame of them.
"""
