"""Who commands the arm, and whether it listens. Pure logic: no sockets, no threads, time is an argument.

    disarmed ──rearm──▶ armed ──a command within the limits──▶ begun
        ▲                 │                                      │
        └── stop, silence, takeover, release, a fault ◀──────────┘

One commander, bound to its authenticated key and to a token drawn when the lease was given. A human's
takeover moves the lease; nothing else takes it from a living commander.
"""

from __future__ import annotations

import math
import re
import secrets
from dataclasses import dataclass

from robots.bridge.errors import CommandStale, FaultStands, RoleNotAllowed, WrongSession
from robots.bridge.keys import AllowedKey
from robots.errors import ArmLatched, CommandOutOfOrder, CommandRejected, LeaseHeld, LeaseMissing

SILENCE = 0.100  # [s] without a valid command or beat until the arm latches
STALE = 0.500  # [s] since the sender last heard of the arm, on the server's clock
ABSENT = 5.0  # [s] both in lock-step, where nothing moves on meanwhile: whoever is so long away is gone
NUMBER = re.compile(r"[\d.]+")  # an age, say: a fault with another one is the same fault
ROUNDING = 0.005  # [s] by which what was heard may lie ahead: clock resolution


@dataclass
class Holder:
    """Who has the lease: the key's entry, whether as a human, and the token that frames must carry."""

    key: AllowedKey
    human: bool
    token: int
    seq: int = -1  # of the last command that was accepted
    beat: int = -1


class Lease:
    """See the module. Times are [s] on one monotonic clock of the server.

    Attributes:
        session: drawn at each boot; a frame that names another is refused.
        holder: who commands, or None.
        latched: why the arm does not listen, or None.
        faults: what has gone wrong and was not cleared, oldest first.
        begun: whether a command was accepted since the last `rearm`.
        heard: [s] when the commander's last good command or beat arrived.
    """

    def __init__(self, silence: float = SILENCE, stale: float = STALE) -> None:
        self.session = secrets.token_hex(8)
        self.holder: Holder | None = None
        self.latched: str | None = "the server has just started; `rearm` it"
        self.faults: list[str] = []
        self.begun = False
        self._silence, self._stale = silence, stale
        self.heard = -math.inf

    # -- the lease ----------------------------------------------------------------------------

    def acquire(self, key: AllowedKey, session: str, human: bool, token: int) -> int:
        """Give the lease to `key`, disarmed; returns the new token. Numbers begin anew with it.

        Raises:
            RoleNotAllowed: the key may not command, or not take over.
            LeaseHeld: another commands, or the same key does from elsewhere and the arm is armed.
        """
        self.check_session(session)
        wanted = ("human",) if human else ("policy", "human")
        if key.role not in wanted:
            raise RoleNotAllowed(
                f"{key.name} is allowed as {key.role}, not as {wanted[0]}; "
                f"`palme keys allow` it again with role={wanted[0]}"
            )
        held = self.holder
        if held is not None:
            mine = held.key.public == key.public
            if not (mine and (token == held.token or self.latched is not None)):
                if not (human and not held.human):
                    who = "another process with your key" if mine else f"{held.key.name}"
                    kind = "a human" if held.human else "a policy"
                    raise LeaseHeld(
                        f"{who} commands this arm ({kind}); only a human's takeover of a policy moves a lease"
                    )
        taken = held is not None and held.key.public != key.public
        self._disarm(f"{key.name} has {'taken over' if taken else 'the lease'}; `rearm` to begin")
        self.holder = Holder(key, human, secrets.randbits(52))
        return self.holder.token

    def release(self, key: AllowedKey, session: str, token: int) -> None:
        """Give the lease back, whatever the key may still do; the arm is disarmed."""
        self._held_by(key, session, token)
        self.holder = None
        self._disarm(f"{key.name} gave the lease back; `rearm` to begin")

    # -- arming -------------------------------------------------------------------------------

    def rearm(self, key: AllowedKey, session: str, token: int) -> None:
        """Listen again, from a new first command; raises as `check_rearm`."""
        self.check_rearm(key, session, token)
        self.latched, self.begun = None, False

    def check_rearm(self, key: AllowedKey, session: str, token: int) -> None:
        """Raises as `check_holder`, and FaultStands while there is a fault."""
        self.check_holder(key, session, token)
        if self.faults:
            raise FaultStands(f"{self.faults[0]}; see to it, then `clear_fault`")

    def latch(self, reason: str) -> None:
        """Stop listening. The first cause is the one that is told."""
        if self.latched is None:
            self.latched = reason
        self.begun = False

    def fault(self, reason: str) -> None:
        """Something broke: latched, and no `rearm` until it is cleared."""
        alike = NUMBER.sub("#", reason)
        if all(NUMBER.sub("#", known) != alike for known in self.faults) and len(self.faults) < 16:
            self.faults.append(reason)
        self.latch(f"fault: {reason}")

    def clear_faults(self, key: AllowedKey, session: str, token: int) -> None:
        """The commander says that the causes were seen to. The arm stays latched."""
        self.check_holder(key, session, token)
        self.faults.clear()
        self._disarm("a fault was cleared; `rearm` to begin")

    def _disarm(self, reason: str) -> None:
        self.latched, self.begun = reason, False

    # -- commands -----------------------------------------------------------------------------

    def check(
        self,
        key: AllowedKey,
        session: str,
        token: int,
        seq: int,
        heard: float,
        now: float,
        watched: bool = True,
    ) -> None:
        """Whether a command may go to the gate. Raises the CommandRejected that says why not."""
        holder = self.check_holder(key, session, token)
        if now - self.heard > self._silence:
            self.watch(now, watched)
        if self.latched is not None:
            raise ArmLatched(f"the arm was stopped: {self.latched}; `rearm` it before commanding")
        self._check_heard(heard, now, "command seq", seq)
        if not seq > holder.seq:
            raise CommandOutOfOrder(
                f"command seq {seq} is not after the last one, {holder.seq}; count up by at least one"
            )

    def accepted(self, seq: int, arrived: float) -> None:
        """The gate took it: a sign of life of when it `arrived`, however long it waited."""
        if self.holder is None:
            raise CommandRejected("nobody holds the lease")
        self.holder.seq, self.begun, self.heard = seq, True, max(self.heard, arrived)

    def beat(
        self,
        key: AllowedKey,
        session: str,
        token: int,
        n: int,
        heard: float,
        now: float,
        watched: bool = True,
    ) -> None:
        """The commander lives. Refused like a command, so that a late or repeated one counts for nothing."""
        holder = self.check_holder(key, session, token)
        self.watch(now, watched)
        self._check_heard(heard, now, "beat", n)
        if not n > holder.beat:
            raise CommandOutOfOrder(f"beat {n} is not after the last one, {holder.beat}")
        holder.beat, self.heard = n, now

    def watch(self, now: float, watched: bool = True) -> bool:
        """Latch if the commander is silent; returns whether that was now.

        Args:
            watched: False = the arm is at rest and its time stands still (lock-step): silence harms nobody.
        """
        if not (self.begun and self.latched is None):
            return False
        silent = now - self.heard
        if silent <= self._silence or not watched:
            return False
        limit = f"limit {1e3 * self._silence:.0f}"
        self.latch(f"silent: nothing valid from {self.holder_name} for {1e3 * silent:.0f} ms ({limit})")
        return True

    @property
    def holder_name(self) -> str:
        """The commander's name, or ""."""
        return "" if self.holder is None else self.holder.key.name

    def check_session(self, session: str) -> None:
        """Raises WrongSession for a frame from before the server's last start."""
        if session != self.session:
            raise WrongSession(
                f"session {session!r} is not this boot's: the server was started anew; connect again, look "
                "where the arm is, and `rearm`"
            )

    def check_holder(self, key: AllowedKey, session: str, token: int) -> Holder:
        """Raises WrongSession or LeaseMissing for whoever does not command this arm now.

        And RoleNotAllowed where the allow-list lets `key`, its present entry, no longer do so.
        """
        held = self._held_by(key, session, token)
        if key.role == "viewer" or (held.human and key.role != "human"):
            raise RoleNotAllowed(
                f"{key.name} commands as {'human' if held.human else 'policy'} and is only allowed as "
                f"{key.role} by now; `acquire` the lease as that, or have the key allowed again"
            )
        return held

    def _held_by(self, key: AllowedKey, session: str, token: int) -> Holder:
        held = self.holder
        if (
            held is not None
            and session == self.session
            and held.key.public == key.public
            and held.token == token
        ):
            return held
        self.check_session(session)
        if held is None:
            raise LeaseMissing("nobody holds the lease; `rearm` asks for it")
        if held.key.public != key.public:
            raise LeaseMissing(f"{key.name} does not command this arm, {held.key.name} does")
        raise LeaseMissing(f"this lease of {key.name} is over: it was drawn anew by another process")

    def _check_heard(self, heard: float, now: float, what: str, n: int) -> None:
        if not heard <= now + ROUNDING:
            raise CommandStale(
                f"{what} {n}: its sender heard of the arm at {heard:.3f} s, which lies ahead of {now:.3f}"
            )
        if not now - heard <= self._stale:
            raise CommandStale(
                f"{what} {n}: its sender last heard of the arm {now - heard:.3f} s ago, limit {self._stale} s"
            )
