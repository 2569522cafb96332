"""What holds a running simulator belongs to one owner: given back when dropped, never copied."""

from __future__ import annotations

import contextlib
import weakref
from types import ModuleType
from typing import Any

from robots.errors import RobotError


class CannotCopy(RobotError, TypeError):
    """A copy would share, and then close, the running simulator of its original."""


class Uncopied:
    """Base of what holds a running simulator: copying or pickling it is refused by name."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Raises CannotCopy: `copy` and every kind of pickle begin here."""
        raise CannotCopy(
            f"{type(self).__name__} holds a running simulator and cannot be copied or pickled; make "
            "another one there, or copy the whole environment, which makes a world of its own"
        )


class OwnsClient(Uncopied):
    """Base of what has a PyBullet client of its own, opened when first used."""

    def __init__(self) -> None:
        self._client = -1
        self._end: weakref.finalize[Any, Any] | None = None
        self._p: ModuleType | None = None

    @property
    def p(self) -> ModuleType:
        """The `pybullet` module (imported now if need be)."""
        if self._p is None:
            import pybullet

            self._p = pybullet
        return self._p

    @property
    def client(self) -> int:
        """PyBullet's client id (opened now if need be).

        Raises:
            RobotError: PyBullet has no client left.
        """
        if self._client < 0:
            self._client, self._end = _connect(self, self.p)
        return self._client

    def close(self) -> None:
        """Give the PyBullet client back; it opens again when used."""
        if self._end is not None:
            self._end()
        self._end, self._client = None, -1


def _connect(owner: object, p: ModuleType) -> tuple[int, weakref.finalize[Any, Any]]:
    """A new PyBullet client for `owner`, and what gives it back: when called, or once `owner` is dropped.

    Raises:
        RobotError: PyBullet has no client left.
    """
    client: int = p.connect(p.DIRECT)
    if not client >= 0:
        raise RobotError("PyBullet opens no further world in this process; close some of them")
    end = weakref.finalize(owner, _disconnect, p, client)
    end.atexit = False  # PyBullet ends with the process by itself
    return client, end


def _disconnect(p: ModuleType, client: int) -> None:
    with contextlib.suppress(p.error):  # disconnected by other hands
        p.disconnect(client)
