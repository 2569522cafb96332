"""The terminal's keyboard: hold a key to move.

A terminal tells of presses and never of letting go; while a key is held it repeats, some 30 times a second
after a pause of a quarter to half a second. A press moves for 100 ms, holding moves on after the pause.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable
from typing import Any

from robots.errors import DeviceError
from robots.teleop.teleop_actions import STALE, Jog, Reading
from robots.types import RobotState

MOVES = {  # (which half of the twist, axis, direction)
    "w": (0, 0, 1), "s": (0, 0, -1), "a": (0, 1, 1), "d": (0, 1, -1), "r": (0, 2, 1), "f": (0, 2, -1),
    "\x1b[A": (0, 0, 1), "\x1b[B": (0, 0, -1), "\x1b[D": (0, 1, 1), "\x1b[C": (0, 1, -1),
    "\x1b[5~": (0, 2, 1), "\x1b[6~": (0, 2, -1),
    "j": (1, 2, 1), "l": (1, 2, -1), "i": (1, 1, 1), "k": (1, 1, -1), "u": (1, 0, -1), "o": (1, 0, 1),
}  # fmt: skip
BUTTONS = {" ": "stop", "t": "take", "h": "hand_back", "p": "pause", "e": "rearm"}
HELP = """\
  w s / arrows  away, near      t  take the arm          g  fingers: open, close
  a d / arrows  left, right     h  hand it back          c  clutch: let go, take hold
  r f / page    up, down        p  pause                 1 ... 9  slower, faster
  j l  i k  u o  turn the tool  e  rearm after a stop    space  STOP
Hold a key to move; Ctrl-C ends."""


class Keyboard:
    """See the module.

    Args:
        stream: a terminal; None = standard input.
        clock: monotonic [s].
        name: who holds the arm, for others to read.
    """

    def __init__(
        self, stream: Any = None, clock: Callable[[], float] = time.monotonic, name: str = "keyboard"
    ) -> None:
        self.name = name
        self.speed = 0.5  # share of the highest speeds
        self.clutch = True
        self._stream, self._clock = stream, clock
        self._fd = -1
        self._before: list[Any] | None = None
        self._pressed: dict[str, float] = {}  # [s] when each key was last received
        self._gripper: float | None = None
        self._rest = ""  # of an escape sequence

    def connect(self) -> None:
        """Read keys one by one from now on. Raises DeviceError where there is no terminal."""
        stream = sys.stdin if self._stream is None else self._stream
        try:
            import termios
            import tty

            self._fd = stream.fileno()
            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)  # Ctrl-C and what is printed stay as they are
        except (ImportError, OSError, ValueError, AttributeError, termios.error) as error:
            raise DeviceError(
                "device=keyboard: standard input is no terminal; run it in one, or steer from the "
                "browser with console=true"
            ) from error

    def read(self, follower: RobotState) -> Reading:
        """See `Teleoperator`."""
        now = self._clock()
        buttons = tuple(self._button(key, now, follower) for key in self._keys())
        held = {key: at for key, at in self._pressed.items() if now - at <= STALE}
        self._pressed = held
        gripper, self._gripper = self._gripper, None
        if not held and gripper is None:
            return Reading(buttons=tuple(filter(None, buttons)), clutch=self.clutch)
        halves = ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0])
        for half, axis, side in {MOVES[key] for key in held}:
            halves[half][axis] += side * self.speed
        jog = Jog((*halves[0],), (*halves[1],), gripper)  # type: ignore[arg-type]
        age = now - max(held.values()) if held else 0.0
        return Reading(jog, age, tuple(filter(None, buttons)), self.clutch)

    def close(self) -> None:
        """The terminal is as it was."""
        if self._before is not None:
            import termios

            before, self._before = self._before, None
            try:
                termios.tcsetattr(self._fd, termios.TCSADRAIN, before)
            except (OSError, termios.error):  # the terminal is gone
                pass

    def _keys(self) -> list[str]:
        """What was typed since the last time, escape sequences whole."""
        if self._before is None:
            return []
        text = self._rest
        while select.select([self._fd], [], [], 0)[0]:
            try:
                got = os.read(self._fd, 1024)
            except OSError:  # EIO: its window was closed, or the line dropped
                got = b""
            if not got:
                raise DeviceError("the terminal was closed")
            text += got.decode("utf-8", "replace")
        keys, self._rest = _split(text)
        return keys

    def _button(self, key: str, now: float, follower: RobotState) -> str:
        if key in MOVES:
            self._pressed[key] = now
        elif key in "123456789":
            self.speed = int(key) / 9
        elif key == "g":
            self._gripper = 0.0 if follower.gripper > 0.5 else 1.0
        elif key == "c":
            self.clutch = not self.clutch
        return BUTTONS.get(key, "")


def _split(text: str) -> tuple[list[str], str]:
    """Single keys and escape sequences, and the beginning of one that is not all there yet."""
    keys: list[str] = []
    while text:
        if not text.startswith("\x1b["):
            if text == "\x1b":
                return keys, text
            keys.append(text[0])
            text = text[1:]
            continue
        end = next((i for i in range(2, len(text)) if "@" <= text[i] <= "~"), None)
        if end is None:
            return keys, text if len(text) < 16 else ""
        keys.append(text[: end + 1])
        text = text[end + 1 :]
    return keys, ""
