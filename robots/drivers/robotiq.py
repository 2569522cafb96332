"""RobotiqHand: a Robotiq two-finger gripper on a UR, through the socket its URCap opens on the controller."""

from __future__ import annotations

import socket

from robots.errors import DriverError
from robots.gripper import GripperScale

PORT = 63352
ACTIVE = 3  # of STA: activation done
POS = GripperScale(255.0, 0.0, margin=0.0)  # whole numbers, which overshoot nothing


class RobotiqHand:
    """A text protocol with one variable a line: POS (0 open, 255 closed), STA (status), FLT (fault).

    It is never activated from here, since activation moves the fingers through their whole stroke.

    Args:
        address: of the UR controller.
        port: of the URCap's socket.
        speed, force: 0 to 255, the gripper's own scale.

    Raises:
        DriverError: the gripper does not answer, or is not activated.
    """

    def __init__(self, address: str, port: int = PORT, speed: int = 255, force: int = 50) -> None:
        self._socket = socket.create_connection((address, port), timeout=0.5)
        if (status := self._get("STA")) != ACTIVE:
            self.close()
            raise DriverError(
                f"Robotiq gripper: STA {status}, not {ACTIVE}; activate it at the pendant, hands off"
            )
        self._set(f"SPE {speed} FOR {force}")

    def measure(self) -> float:
        """The opening in [0, 1], 1 = open. Raises DriverError on a fault, OSError on a lost connection."""
        if (fault := self._get("FLT")) != 0:
            raise DriverError(f"Robotiq gripper: fault {fault}; see its manual, clear it at the pendant")
        return POS.opening(self._get("POS"), "Robotiq gripper: POS", DriverError)

    def move(self, opening: float) -> None:
        """Start a motion to `opening` in [0, 1]. Raises DriverError, OSError."""
        self._set(f"POS {round(POS.value(opening))} GTO 1")

    def close(self) -> None:
        """Close the socket; the gripper keeps its position. Idempotent."""
        self._socket.close()

    def _set(self, words: str) -> None:
        answer = self._ask(f"SET {words}")
        if answer != "ack":
            raise DriverError(f"Robotiq gripper: answered {answer!r} to SET {words}")

    def _get(self, name: str) -> int:
        answer = self._ask(f"GET {name}").split()
        if not (len(answer) == 2 and answer[0] == name and answer[1].isdigit()):
            raise DriverError(f"Robotiq gripper: answered {' '.join(answer)!r} to GET {name}")
        return int(answer[1])

    def _ask(self, line: str) -> str:
        self._socket.sendall(line.encode("ascii") + b"\n")
        # one packet an answer; only some versions of the URCap end it with a line feed
        return self._socket.recv(64).decode("ascii", "replace").strip()
