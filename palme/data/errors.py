"""Errors of recording and reading: one exception a cause; the message names thing, value, limit, remedy."""

from __future__ import annotations


class DataError(Exception):
    """Base of every error of this package."""


class NotADatasetError(DataError):
    """The path holds no LeRobotDataset v3.0."""


class DamagedDatasetError(DataError):
    """A file of the data set is missing, truncated, or contradicts another."""


class DatasetBusyError(DataError):
    """Another process writes to the data set."""


class SchemaMismatchError(DataError):
    """Joints, rate or cameras of the recording differ from those of the data set."""


class InvalidFrameError(DataError):
    """A frame does not match the data set's schema, or is not finite."""


class WriteError(DataError):
    """The disk is full, or the file system refuses to write."""


class EncoderError(DataError):
    """The process that encodes the videos ended or failed."""


class EpisodeLostError(DataError):
    """An episode could not be saved, for none of the other causes; every finished one is kept."""


class CameraTimeoutError(DataError):
    """A camera has delivered no image within its time limit."""


class TrainingDataError(DataError):
    """The data set is of another arm or rate, or lacks what a policy learns from."""


class EpisodeNotFoundError(DataError):
    """The data set has no episode of that number."""


class ReplayError(DataError):
    """The episode lacks its starting state, or the arm is not at its first pose."""
