"""Who commands, and when the arm stops listening: the logic alone, with the time given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from robots.bridge.command_queue import CAPACITY
from robots.bridge.control import Controller
from robots.bridge.errors import CommandStale, CommandTooSoon, FaultStands, RoleNotAllowed, WrongSession
from robots.bridge.keys import AllowedKey
from robots.bridge.lease import SILENCE, STALE, Lease
from robots.drivers.ideal import IdealArm
from robots.errors import (
    ArmLatched,
    ArmMoving,
    CommandNotFinite,
    CommandOutOfOrder,
    CommandRejected,
    LeaseHeld,
    LeaseMissing,
)
from robots.safety.gate import SafetyGate
from robots.types import JointCommand
from tests.bridge_rig import assert_within_limits, path, spec_at

ROBO, OTHER = AllowedKey("robo", "a" * 40, "policy"), AllowedKey("other", "b" * 40, "policy")
ANNA, BERT = AllowedKey("anna", "c" * 40, "human"), AllowedKey("bert", "d" * 40, "human")
VIEWER = AllowedKey("viewer", "e" * 40, "viewer")


class Commander:
    """One client's view of a lease."""

    def __init__(self, lease: Lease, key: AllowedKey, human: bool = False) -> None:
        self.lease, self.key, self.human = lease, key, human
        self.session, self.token = lease.session, 0

    def take(self) -> Commander:
        self.token = self.lease.acquire(self.key, self.session, self.human, self.token)
        return self

    def arm(self) -> Commander:
        self.lease.rearm(self.key, self.session, self.token)
        return self

    def command(self, seq: int, now: float, heard: float | None = None, active: bool = True) -> None:
        heard = now if heard is None else heard
        self.lease.check(self.key, self.session, self.token, seq, heard, now, active)
        self.lease.accepted(seq, now)

    def beat(self, n: int, now: float, heard: float | None = None) -> None:
        self.lease.beat(self.key, self.session, self.token, n, now if heard is None else heard, now)


@pytest.fixture
def lease() -> Lease:
    return Lease()


@pytest.fixture
def robo(lease: Lease) -> Commander:
    return Commander(lease, ROBO).take().arm()


def test_a_boot_is_disarmed_and_has_a_session_of_its_own(lease: Lease) -> None:
    assert lease.latched and lease.holder is None
    assert len({Lease().session for _ in range(100)}) == 100


def test_a_command_without_a_lease_is_refused(lease: Lease) -> None:
    with pytest.raises(LeaseMissing, match="rearm"):
        Commander(lease, ROBO).command(0, 1.0)


def test_a_lease_alone_does_not_arm(lease: Lease) -> None:
    with pytest.raises(ArmLatched, match="rearm"):
        Commander(lease, ROBO).take().command(0, 1.0)


def test_commands_count_up(robo: Commander) -> None:
    robo.command(0, 1.0)
    robo.command(7, 1.01)
    for seq in (7, 6, 0, -1):
        with pytest.raises(CommandOutOfOrder, match="7"):
            robo.command(seq, 1.02)
    robo.command(8, 1.03)


def test_a_frame_of_another_boot_is_refused(robo: Commander) -> None:
    robo.session = "0" * 16
    for refused in (lambda: robo.command(0, 1.0), lambda: robo.beat(0, 1.0), robo.arm, robo.take):
        with pytest.raises(WrongSession, match="stale session"):
            refused()


def test_a_second_client_is_refused_by_name(robo: Commander, lease: Lease) -> None:
    other = Commander(lease, OTHER)
    with pytest.raises(LeaseHeld, match="robo"):
        other.take()
    other.token = robo.token  # even if it had overheard the token
    with pytest.raises(LeaseMissing, match="robo"):
        other.command(0, 1.0)
    robo.command(0, 1.0)


def test_the_same_key_from_a_second_process_is_refused_while_armed(robo: Commander, lease: Lease) -> None:
    twin = Commander(lease, ROBO)
    with pytest.raises(LeaseHeld, match="another process"):
        twin.take()
    robo.command(0, 1.0)
    lease.check_timeout(1.0 + 2 * SILENCE)
    twin.take().arm().command(0, 2.0)  # its twin has died: the key may come back
    with pytest.raises(LeaseMissing, match="expired"):
        robo.command(1, 2.01)


def test_a_human_takes_over_from_a_policy_and_nobody_from_a_human(robo: Commander, lease: Lease) -> None:
    robo.command(0, 1.0)
    anna = Commander(lease, ANNA, human=True).take()
    with pytest.raises(LeaseMissing, match="anna"):
        robo.command(1, 1.01)
    with pytest.raises(ArmLatched, match="taken over"):  # and it begins by a rearm
        anna.command(0, 1.01)
    anna.arm().command(0, 1.02)
    for key, human in ((ROBO, False), (OTHER, False), (BERT, True), (BERT, False)):
        with pytest.raises(LeaseHeld, match="anna"):
            Commander(lease, key, human).take()


def test_a_policy_s_key_cannot_call_itself_human_and_a_viewer_s_cannot_command(lease: Lease) -> None:
    with pytest.raises(RoleNotAllowed, match="policy"):
        Commander(lease, ROBO, human=True).take()
    with pytest.raises(RoleNotAllowed, match="viewer"):
        Commander(lease, VIEWER).take()


@pytest.mark.parametrize("human", [False, True])
def test_a_key_that_is_allowed_for_less_by_now_commands_no_longer(lease: Lease, human: bool) -> None:
    who = Commander(lease, ANNA if human else ROBO, human).take().arm()
    who.command(0, 1.0)
    who.key = replace(who.key, role="policy" if human else "viewer")
    for step in (lambda: who.command(1, 1.01), lambda: who.beat(0, 1.01), who.arm):
        with pytest.raises(RoleNotAllowed, match=f"only allowed as {who.key.role} now"):
            step()
    assert lease.check_timeout(1.0 + 1.001 * SILENCE)  # what was refused is no sign of life
    lease.release(who.key, who.session, who.token)
    Commander(lease, OTHER).take()


def test_a_lease_given_back_is_free(robo: Commander, lease: Lease) -> None:
    lease.release(ROBO, lease.session, robo.token)
    assert lease.latched
    Commander(lease, OTHER).take().arm().command(0, 1.0)


def test_a_heartbeat_that_a_release_overtook_is_no_fault_and_no_sign_of_life(
    robo: Commander, lease: Lease
) -> None:
    lease.release(ROBO, lease.session, robo.token)
    robo.beat(0, 1.0)
    other = Commander(lease, OTHER).take().arm()
    other.command(0, 1.0)
    robo.beat(1, 1.0 + 0.99 * SILENCE)
    assert lease.check_timeout(1.0 + 1.01 * SILENCE)
    for stranger, token in ((OTHER, robo.token), (ROBO, robo.token + 1), (ROBO, 0), (VIEWER, robo.token)):
        with pytest.raises(LeaseMissing):
            lease.beat(stranger, lease.session, token, 2, 1.2, 1.2)


def test_a_heartbeat_of_the_lease_before_is_no_fault_of_who_renews_it(robo: Commander, lease: Lease) -> None:
    before = robo.token
    robo.take().arm()
    assert robo.token != before
    lease.beat(ROBO, lease.session, before, 0, 1.0, 1.0)
    with pytest.raises(LeaseMissing):
        lease.beat(ROBO, lease.session, before + 1, 0, 1.0, 1.0)


def test_silence_latches_until_rearmed_and_not_before(robo: Commander, lease: Lease) -> None:
    robo.command(0, 1.0)
    assert not lease.check_timeout(1.0 + 0.999 * SILENCE)
    assert lease.check_timeout(1.0 + 1.001 * SILENCE) and not lease.check_timeout(1.0 + 2 * SILENCE)
    for t in (1.2, 5.0, 500.0):
        with pytest.raises(ArmLatched, match="silent: .* robo"):
            robo.command(1, t)
        with pytest.raises((ArmLatched, CommandOutOfOrder)):
            robo.beat(0, t)
            robo.command(1, t)
    robo.arm()
    robo.command(1, 501.0)


def test_a_command_that_comes_after_the_silence_is_itself_too_late(robo: Commander) -> None:
    robo.command(0, 1.0)
    with pytest.raises(ArmLatched, match="silent"):
        robo.command(1, 1.0 + 1.01 * SILENCE)


def test_beats_keep_the_latch_off_and_nothing_else(robo: Commander, lease: Lease) -> None:
    robo.command(0, 1.0)
    for n in range(20):
        robo.beat(n, 1.0 + 0.09 * (n + 1))
        with pytest.raises(CommandOutOfOrder):
            robo.beat(n, 1.0 + 0.09 * (n + 1))
    assert lease.latched is None
    with pytest.raises(CommandOutOfOrder):
        robo.command(0, 2.85)
    assert lease.check_timeout(1.0 + 0.09 * 20 + 1.01 * SILENCE)


def test_refused_frames_do_not_count_as_signs_of_life(robo: Commander, lease: Lease) -> None:
    robo.command(5, 1.0)
    for k in range(1, 10):
        with pytest.raises(CommandRejected):
            robo.command(5, 1.0 + 0.02 * k)
    assert lease.latched or lease.check_timeout(1.0 + 1.01 * SILENCE)


def test_armed_and_not_begun_nothing_moves_and_nothing_latches(robo: Commander, lease: Lease) -> None:
    assert not lease.check_timeout(1e6)
    robo.command(0, 1e6)


def test_in_lock_step_silence_counts_only_while_the_arm_moves(robo: Commander, lease: Lease) -> None:
    robo.command(0, 1.0)
    assert not lease.check_timeout(50.0, active=False)
    robo.command(1, 51.0, active=False)
    assert lease.check_timeout(52.0, active=True)


@pytest.mark.parametrize("heard", [10.0 - 1.01 * STALE, -1.0, 11.0, np.nan, np.inf, -np.inf])
def test_what_was_long_on_its_way_or_from_the_future_is_refused(robo: Commander, heard: float) -> None:
    with pytest.raises(CommandStale):
        robo.command(0, 10.0, heard)
    with pytest.raises(CommandStale):
        robo.beat(0, 10.0, heard)
    robo.command(0, 10.0, 10.0 - 0.9 * STALE)


def test_no_fault_clears_itself(robo: Commander, lease: Lease) -> None:
    robo.command(0, 1.0)
    lease.fault("joint 3 too hot")
    for step in (robo.arm, lambda: robo.take().arm(), lambda: Commander(lease, ANNA, True).take().arm()):
        with pytest.raises(FaultStands, match="joint 3 too hot"):
            step()
    anna = Commander(lease, ANNA, True)
    anna.token = lease.holder.token if lease.holder else 0
    with pytest.raises(LeaseMissing):
        lease.clear_faults(OTHER, lease.session, anna.token)
    lease.clear_faults(ANNA, lease.session, anna.token)
    assert lease.latched  # cleared is not armed
    anna.arm().command(0, 2.0)


def test_a_fault_that_names_an_age_is_one_fault(lease: Lease) -> None:
    for age in range(60, 300):
        lease.fault(f"DriverError: state is {age} ms old, limit 50.0")
    lease.fault("DriverError: joint 3 is too hot")
    assert lease.faults == ["DriverError: state is 60 ms old, limit 50.0", "DriverError: joint 3 is too hot"]


def test_the_first_cause_of_a_stop_is_the_one_reported(robo: Commander, lease: Lease) -> None:
    lease.latch("somebody pressed stop")
    lease.latch("another thing")
    with pytest.raises(ArmLatched, match="somebody pressed stop"):
        robo.command(0, 1.0)


def test_whatever_happens_a_command_passes_only_from_the_armed_holder_in_order() -> None:
    """Ten thousand random steps against the rules, said once more and more simply."""
    rng, lease, now = np.random.default_rng(0), Lease(), 0.0
    clients = [Commander(lease, key, key.role == "human") for key in (ROBO, OTHER, ANNA, VIEWER)]
    armed, last_seq, last_seen, passed = None, -1, None, 0
    for _ in range(10_000):
        now += rng.choice([0.001, 0.05, 0.11])
        if armed and last_seen is not None and now - last_seen > SILENCE:
            armed = None
        who = clients[rng.integers(len(clients))]
        try:
            match rng.choice(["take", "arm", "command", "command", "command", "stop"]):
                case "take":
                    who.take()
                    armed, last_seq, last_seen = None, -1, None
                case "arm":
                    who.arm()
                    armed, last_seen = who, None
                case "command":
                    seq = int(rng.integers(last_seq - 1, last_seq + 3))
                    who.command(seq, now)
                    assert who is armed and seq > last_seq
                    last_seq, last_seen, passed = seq, now, passed + 1
                case "stop":
                    if rng.random() < 0.1:
                        lease.latch("stop")
                        armed = None
        except CommandRejected:
            pass
    assert passed > 100


# -- commands that come early, tick by tick ------------------------------------------------------


class Ticked:
    """A controller whose clock and ticks are the test's, with ROBO in command.

    Attributes:
        told: seq to what became of each command that had to wait: what was sent, or the refusal.
    """

    def __init__(self, hz: float = 100.0) -> None:
        spec = spec_at(hz)
        self.t, self.arm, self.told = 0.0, IdealArm(spec), dict[int, JointCommand | CommandRejected]()
        self.control = Controller(self.arm, lambda: SafetyGate(spec), clock=lambda: self.t)
        self.session, self.token = self.control.lease.session, 0
        self.arm_again()

    def arm_again(self) -> None:
        self.token = self.control.acquire(ROBO, self.session, False, self.token)
        self.tick(50)
        self.control.rearm(ROBO, self.session, self.token)

    def submit(self, seq: int, step: float = 1e-3, heard: float | None = None) -> bool:
        """Ask for `seq` steps [rad] from home; returns whether the next tick has it, else it waits."""
        command = JointCommand(self.arm.spec.q_home + step * seq, 1.0, seq, 0.0)
        heard = self.t if heard is None else heard
        later = lambda said: self.told.__setitem__(seq, said)  # noqa: E731
        return self.control.submit(ROBO, self.session, self.token, command, heard, later) is not None

    def promised(self, seq: int) -> tuple[float, ...]:
        """A target as it comes over the wire, the gate having looked ahead; it is acknowledged as asked."""
        asked = tuple((self.arm.spec.q_home + 1e-6 * seq).tolist())
        command = JointCommand(asked, 0.5, seq, 0.0)  # type: ignore[arg-type]
        done = self.control.submit(ROBO, self.session, self.token, command, self.t, lambda said: None)
        assert done is not None and done[0].q_target is asked
        assert done[1] == pytest.approx(self.arm.spec.dt)
        self.gripper = done[0].gripper
        return asked

    def tick(self, n: int = 1) -> None:
        for _ in range(n):
            self.t += self.arm.spec.dt
            self.control.tick()


def test_early_commands_wait_in_order_and_each_has_its_own_tick() -> None:
    made = Ticked()
    assert [made.submit(seq, 5e-4) for seq in range(4)] == [True, False, False, False]
    begin = len(made.arm.sent)
    made.tick(4)
    sent = path(made.arm)[begin:] - made.arm.spec.q_home
    np.testing.assert_allclose(sent, 5e-4 * np.arange(4)[:, None] * np.ones(7), atol=1e-12)
    assert list(made.told) == [1, 2, 3]
    for seq, said in made.told.items():
        np.testing.assert_array_equal(said.q_target, path(made.arm)[begin + seq])
    assert made.control.counts["tick_without_command"] == 0 and made.control.counts["command"] == 4


@pytest.mark.parametrize("what", ["nothing", "stop", "takeover", "release"])
def test_what_was_promised_is_sent_whatever_comes_before_its_tick(what: str) -> None:
    made = Ticked(hz=1000.0)
    for seq in range(5):
        made.submit(seq, step=1e-6)
        made.tick()
    asked = made.promised(5)
    assert not made.submit(6, step=1e-6) and not made.control.at_rest
    if what == "stop":
        made.control.stop("a test")
    elif what == "release":
        made.control.release(ROBO, made.session, made.token)
    elif what == "takeover":
        made.control.acquire(ANNA, made.session, True, 0)
    made.tick()
    _, sent = made.arm.sent[-1]
    assert tuple(sent.q_target) == asked and sent.gripper == made.gripper
    assert made.control.counts["command"] == 6
    made.tick(3)
    assert made.control.counts["command"] == 7 - (what != "nothing")
    assert_within_limits(made.arm)


def test_what_was_promised_where_the_arm_was_is_not_sent_where_it_was_put() -> None:
    made = Ticked(hz=1000.0)
    for seq in range(5):
        made.submit(seq, step=1e-6)
        made.tick()
    made.promised(5)
    sent = len(made.arm.sent)
    made.control.restart()
    made.tick(3)
    assert len(made.arm.sent) == sent and not made.control.lease.faults
    assert made.control.counts["dropped_by_restart"] == 1


def test_no_more_than_a_few_wait() -> None:
    made = Ticked()
    for seq in range(1 + CAPACITY):
        made.submit(seq)
    with pytest.raises(CommandTooSoon, match=f"seq {1 + CAPACITY}"):
        made.submit(1 + CAPACITY)
    made.tick()  # the first was the tick's own; every place is still taken
    with pytest.raises(CommandTooSoon):
        made.submit(1 + CAPACITY)
    made.tick()
    made.submit(1 + CAPACITY)


def test_who_comes_after_one_that_waits_waits_too() -> None:
    made = Ticked()
    made.submit(0), made.submit(1)
    made.tick()  # its command is out, and 1 waits for the next: 2 must not overtake it
    assert not made.submit(2)
    for seq in (2, 1, 0):  # nor does one come twice
        with pytest.raises(CommandOutOfOrder):
            made.submit(seq)
    made.tick(3)
    assert list(made.told) == [1, 2]


def take_over(made: Ticked) -> None:
    made.control.acquire(ANNA, made.session, True, 0)


def draw_anew(made: Ticked) -> None:
    made.token = made.control.acquire(ROBO, made.session, False, made.token)


def break_down(made: Ticked) -> None:
    made.arm.fails = "too hot"
    made.tick()
    made.arm.fails = None


def put_elsewhere(made: Ticked) -> None:
    made.control.restart()
    made.control.stop("so that it begins anew")


@pytest.mark.parametrize(
    ("stops", "named"),
    [
        (lambda made: made.control.stop("a hand in the way"), "a hand in the way"),
        (lambda made: made.control.release(ROBO, made.session, made.token), "no client holds the lease"),
        (draw_anew, "another process acquired it"),
        (take_over, "anna does"),
        (lambda made: made.control.lease.latch("latched by itself"), "latched by itself"),
        (break_down, "too hot"),
        (put_elsewhere, "put elsewhere"),
    ],
)
def test_nothing_that_waited_is_executed_after_whatever_stops_the_arm(
    stops: Callable[[Ticked], None], named: str
) -> None:
    made = Ticked()
    for seq in range(20):
        made.submit(seq)
        made.tick()
    for seq in range(20, 24):
        made.submit(seq)
    stops(made)
    taken, at = made.control.counts["command"], path(made.arm)[-1]
    assert taken == 21  # the one whose tick is next was acknowledged before
    made.tick(60)
    assert sorted(made.told) == [21, 22, 23]
    assert all(isinstance(said, CommandRejected) and named in str(said) for said in made.told.values())
    assert np.abs(path(made.arm)[-1] - at).max() < 0.003  # 20 and braking; 23 lay further
    assert made.control.at_rest
    if made.control.lease.holder is not None and made.control.lease.holder.key is ROBO:
        made.control.clear_fault(ROBO, made.session, made.token)
        made.arm_again()
        made.tick(60)
    assert made.control.counts["command"] == taken
    assert_within_limits(made.arm)


def test_silence_forgets_what_waits_and_executing_it_is_no_sign_of_life() -> None:
    made = Ticked(hz=20.0)
    made.submit(0)
    made.tick()
    for seq in range(1, 5):
        made.submit(seq)  # the last word of this commander
    last = made.t
    while made.control.lease.latched is None:
        made.tick()
    assert made.t - last <= SILENCE + 2 * made.arm.spec.dt
    assert "silent" in made.control.lease.latched
    executed = [t for t in made.told.values() if isinstance(t, JointCommand)]
    assert len(executed) <= 1 + SILENCE * 20 and sorted(made.told) == [2, 3, 4]
    made.tick(20)
    assert made.control.counts["command"] == 2 + len(executed)


def test_what_waits_for_a_tick_grows_stale() -> None:
    made = Ticked(hz=25.0)
    for seq in range(5):
        made.submit(seq)
    for n in range(5):  # beats keep the latch off
        made.tick()
        made.control.beat(ROBO, made.session, made.token, n, made.t)
    assert [type(made.told[seq]) for seq in (1, 2, 3, 4)] == [
        JointCommand,
        CommandStale,
        CommandStale,
        CommandStale,
    ]
    made = Ticked()
    made.submit(0)
    made.submit(1, heard=made.t - 0.99 * STALE)  # fresh enough when it came, and not when its tick does
    made.tick(2)
    assert isinstance(made.told[1], CommandStale)


def test_one_bad_command_among_those_that_wait_costs_its_own_tick_alone() -> None:
    made = Ticked()
    made.submit(0)
    made.submit(1), made.submit(2, step=np.nan), made.submit(3)
    made.tick(4)
    assert isinstance(made.told[2], CommandNotFinite) and isinstance(made.told[3], JointCommand)
    assert made.control.counts["tick_without_command"] == 1
    assert_within_limits(made.arm)


def test_an_arm_for_which_commands_wait_is_not_at_rest() -> None:
    made = Ticked()
    made.submit(0, step=0.0), made.submit(1, step=0.0)
    made.tick()
    with pytest.raises(ArmMoving):
        made.control.rearm(ROBO, made.session, made.token)
    made.tick()
    made.control.rearm(ROBO, made.session, made.token)
