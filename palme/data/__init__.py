"""Recorded episodes: LeRobotDataset v3.0 on disk, crash-safe writing, random access reading.

`writer` defines the order in which files appear, `schema` their content, `reader` returns any frame.
"""
