"""What can go wrong with a data set: one named exception a cause, each saying thing, value, limit, remedy."""

from __future__ import annotations


class DataError(Exception):
    """Base of everything that recording and reading refuse or cannot do."""


class NotADatasetError(DataError):
    """There is no LeRobotDataset v3.0 at that path."""


class DamagedDatasetError(DataError):
    """A file of the data set is missing, cut short, or contradicts another."""


class DatasetBusyError(DataError):
    """Another process writes to the data set."""


class SchemaMismatchError(DataError):
    """What is to be recorded has not the joints, the rate or the cameras of the data set."""


class InvalidFrameError(DataError):
    """A frame does not fit the data set's schema or is not finite."""


class WriteError(DataError):
    """The disk is full, or the file system refuses."""


class EncoderError(DataError):
    """The process that encodes the pictures ended or refused."""


class CameraTimeoutError(DataError):
    """A camera has given no picture for too long."""


class TrainingDataError(DataError):
    """The data set is of another arm or rate, or lacks what a policy learns from."""


class EpisodeNotFoundError(DataError):
    """The data set has no episode of that number."""


class ReplayError(DataError):
    """The episode holds nothing that a replay could begin from, or the arm is not where it began."""
