"""Lease: who commands the arm, and whether it is armed. No sockets, no threads, no clock.

    disarmed ──rearm──▶ armed ──a command within the limits──▶ begun
        ▲                 │                                      │
        └── stop, timeout, takeover, release, fault ◀────────────┘

One commander, bound to its authenticated key and to a random token of the lease. Only an operator's takeover
from a policy moves the lease away from an active commander.
"""

from __future__ import annotations

import math
import re
import secrets
from dataclasses import dataclass

from robots.bridge.errors import CommandStale, FaultStands, RoleNotAllowed, WrongSession
from robots.bridge.keys import AllowedKey
from robots.errors import ArmLatched, CommandOutOfOrder, CommandRejected, LeaseHeld, LeaseMissing

SILENCE = 0.100  # [s] timeout without a valid command or heartbeat that latches the arm
STALE = 0.500  # [s] largest age of the sender's newest state, on the server's clock
ABSENT = 5.0  # [s] both limits in lock-step, where time stops between ticks
NUMBER = re.compile(r"[\d.]+")  # faults that differ only in numbers (such as an age) are the same fault
ROUNDING = 0.005  # [s] by which a timestamp may be in the future: clock resolution


@dataclass
class Holder:
    """The holder of the lease: its key, whether it is an operator, and the token that frames must carry."""

    key: AllowedKey
    human: bool
    token: int
    seq: int = -1  # of the last accepted command
    beat: int = -1


class Lease:
    """See the module. Times are [s] on one monotonic clock of the server.

    Args:
        silence: [s] timeout without a valid command or heartbeat.
        stale: [s] largest age of the sender's newest state.

    Attributes:
        session: random id of this start of the server; frames with another id are refused.
        holder: who commands, or None.
        latched: why the arm accepts no commands, or None. What stopped it is said until `rearm`, whatever is
            requested in between.
        faults: uncleared faults, oldest first.
        begun: whether a command was accepted since the last `rearm`.
        last_valid: [s] arrival of the commander's last valid command or heartbeat.
    """

    def __init__(self, silence: float = SILENCE, stale: float = STALE) -> None:
        self.session = secrets.token_hex(8)
        self.holder: Holder | None = None
        self.latched: str | None = "the server has just started; `rearm` to begin"
        self.faults: list[str] = []
        self.begun = False
        self._released: tuple[str, int] | None = None  # key and token of the lease last given back
        self._cause = False  # whether `latched` says what stopped the arm, so that it stands until `rearm`
        self._silence, self._stale = silence, stale
        self.last_valid = -math.inf

    # -- the lease ----------------------------------------------------------------------------

    def acquire(self, key: AllowedKey, session: str, human: bool, token: int) -> int:
        """Grant the lease to `key` and disarm the arm. Returns the new token; sequence numbers restart.

        Raises:
            RoleNotAllowed: the key may not command, or not take over.
            LeaseHeld: another client commands, or another process with the same key while armed.
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
                        f"{who} commands this arm ({kind}); only a human may take over, from a policy"
                    )
        taken = held is not None and held.key.public != key.public
        if held is not None and not taken and token == held.token:
            self._released = (key.public, token)  # its own, for the new one
        self._disarm(f"{key.name} has {'taken over' if taken else 'the lease'}; `rearm` to begin")
        self.holder = Holder(key, human, secrets.randbits(52))
        return self.holder.token

    def release(self, key: AllowedKey, session: str, token: int) -> None:
        """Release the lease, whatever role the key has now; the arm is disarmed."""
        self._held_by(key, session, token)
        self.holder, self._released = None, (key.public, token)
        self._disarm(f"{key.name} released the lease; `rearm` to begin")

    # -- arming -------------------------------------------------------------------------------

    def rearm(self, key: AllowedKey, session: str, token: int) -> None:
        """Accept commands again, in a new session. Raises as `check_rearm`."""
        self.check_rearm(key, session, token)
        self.latched, self.begun, self._cause = None, False, False

    def check_rearm(self, key: AllowedKey, session: str, token: int) -> None:
        """Raise as `check_holder`, and FaultStands while there is a fault."""
        self.check_holder(key, session, token)
        if self.faults:
            raise FaultStands(f"{self.faults[0]}; fix the cause, then `clear_fault`")

    def latch(self, reason: str) -> None:
        """Accept no more commands. The first cause is kept."""
        if not self._cause:
            self.latched, self._cause = reason, True
        self.begun = False

    def fault(self, reason: str) -> None:
        """Latch; `rearm` is refused until the fault is cleared. The first fault is what is said."""
        if not self.faults:
            self._cause = False
        alike = NUMBER.sub("#", reason)
        if all(NUMBER.sub("#", known) != alike for known in self.faults) and len(self.faults) < 16:
            self.faults.append(reason)
        self.latch(f"fault: {reason}")

    def clear_faults(self, key: AllowedKey, session: str, token: int) -> None:
        """Clear the faults after the commander confirms that the causes are fixed. The arm stays latched."""
        self.check_holder(key, session, token)
        if self.faults:
            self.latched = f"{self.latched} (cleared by {key.name}; `rearm` to begin)"
        self.faults.clear()
        self._disarm("`rearm` to begin")

    def _disarm(self, reason: str) -> None:
        """Accept no more commands, for no fault of the arm: `reason` is said unless something stopped it."""
        if not self._cause:
            self.latched = reason
        self.begun = False

    # -- commands -----------------------------------------------------------------------------

    def check(
        self,
        key: AllowedKey,
        session: str,
        token: int,
        seq: int,
        state_time: float,
        now: float,
        active: bool = True,
    ) -> None:
        """Check whether a command may go to the gate.

        Args:
            state_time: [s] of the newest state that the sender had.
            now: [s] on the server's clock.
            active: see `check_timeout`.

        Raises:
            CommandRejected: the reason, as one of its named kinds.
        """
        holder = self.check_holder(key, session, token)
        if now - self.last_valid > self._silence:
            self.check_timeout(now, active)
        if self.latched is not None:
            raise ArmLatched(f"the arm was stopped: {self.latched}; `rearm` it before commanding")
        self._check_state_time(state_time, now, "command seq", seq)
        if not seq > holder.seq:
            raise CommandOutOfOrder(
                f"command seq {seq} is not after the last one, {holder.seq}; count up by at least one"
            )

    def accepted(self, seq: int, arrived: float) -> None:
        """Record a command that the gate accepted. `arrived`: [s] when the commander was alive."""
        if self.holder is None:
            raise CommandRejected("no client holds the lease")
        self.holder.seq, self.begun, self.last_valid = seq, True, max(self.last_valid, arrived)

    def beat(
        self,
        key: AllowedKey,
        session: str,
        token: int,
        n: int,
        state_time: float,
        now: float,
        active: bool = True,
    ) -> None:
        """Record a heartbeat of the commander. Checked like a command: a late or repeated one is refused.

        One that was on its way while its lease was released is none of anybody, and no fault of its sender.
        """
        if session == self.session and self._released == (key.public, token):
            return
        holder = self.check_holder(key, session, token)
        self.check_timeout(now, active)
        self._check_state_time(state_time, now, "beat", n)
        if not n > holder.beat:
            raise CommandOutOfOrder(f"beat {n} is not after the last one, {holder.beat}")
        holder.beat, self.last_valid = n, now

    def check_timeout(self, now: float, active: bool = True) -> bool:
        """Latch if the commander sent nothing valid in time. Returns whether it latched now.

        Args:
            now: [s] on the server's clock.
            active: False = the timeout does not apply: the arm is at rest and time is stopped (lock-step).
        """
        if not (self.begun and self.latched is None):
            return False
        silent = now - self.last_valid
        if silent <= self._silence or not active:
            return False
        self.latch(
            f"silent: no valid command or heartbeat from {self.holder_name} for {1e3 * silent:.0f} ms, "
            f"limit {1e3 * self._silence:.0f} ms"
        )
        return True

    @property
    def holder_name(self) -> str:
        """The commander's name, or ""."""
        return "" if self.holder is None else self.holder.key.name

    def check_session(self, session: str) -> None:
        """Raise WrongSession for a frame from before the server's last start."""
        if session != self.session:
            raise WrongSession(
                f"stale session {session!r}: the server restarted; reconnect, observe where the arm is, and "
                "`rearm`"
            )

    def check_holder(self, key: AllowedKey, session: str, token: int) -> Holder:
        """The present holder, if `key` commands this arm now.

        Raises:
            WrongSession, LeaseMissing: it does not.
            RoleNotAllowed: its present entry in the allow-list does not permit it.
        """
        held = self._held_by(key, session, token)
        if key.role == "viewer" or (held.human and key.role != "human"):
            raise RoleNotAllowed(
                f"{key.name} commands as {'human' if held.human else 'policy'} but is only allowed as "
                f"{key.role} now; `acquire` the lease as that, or have the key allowed again"
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
            raise LeaseMissing("no client holds the lease; `rearm` acquires it")
        if held.key.public != key.public:
            raise LeaseMissing(f"{key.name} does not command this arm, {held.key.name} does")
        raise LeaseMissing(f"lease of {key.name} expired: another process acquired it; `acquire` it again")

    def _check_state_time(self, state_time: float, now: float, what: str, n: int) -> None:
        if not state_time <= now + ROUNDING:
            raise CommandStale(
                f"{what} {n}: timestamp {state_time:.3f} s is in the future, the server's clock is at "
                f"{now:.3f} s"
            )
        if not now - state_time <= self._stale:
            raise CommandStale(
                f"{what} {n}: its sender's newest state is {now - state_time:.3f} s old, "
                f"limit {self._stale} s"
            )
