"""What `policy=remote` promises: what a server says is checked, timed and translated before an arm moves."""

from __future__ import annotations

import numpy as np
import pytest

from palme.cli.commands.serve_policy import build_server
from palme.cli.config import load
from palme.cli.errors import UsageError
from palme.cli.rig.policies import KeyposeConfig
from palme.cli.rig.remote_policy import remote_policy
from palme.cli.settings.run import RunConfig
from palme.cli.settings.serve import ServePolicyConfig
from palme.errors import StepFailed
from palme.policies.remote import RemoteFormat, RemotePolicy
from robots.errors import CommandJumps, RobotError
from robots.motion.kinematics import fk
from robots.policy_servers.clients import OpenpiClient
from robots.policy_servers.errors import ActionsRefused, PolicyServerRefused, PolicyServerUnavailable
from robots.policy_servers.keys import keys_for
from robots.policy_servers.openpi import OpenpiServer
from robots.skills import Step
from robots.types import CameraFrame, Observation, RobotState
from tests.palme.policy_contract import Bench, PolicyContract
from tests.policy_fakes import LENGTHS, POSE, SPEC, STEP, K, sweep_metadata, sweep_session

KEYS, TOLD = keys_for("openpi"), Step.parse(STEP)


def seen(q: np.ndarray | None = None, gripper: float = 1.0, depth: bool = True) -> Observation:
    q = SPEC.q_home.copy() if q is None else q
    pixels = np.full((176, 240), 0.9, np.float32) if depth else None
    front = CameraFrame(np.full((176, 240, 3), 90, np.uint8), pixels, K, POSE)
    wrist = CameraFrame(np.zeros((96, 96, 3), np.uint8), None, K, POSE)
    return Observation(
        {"front": front, "wrist": wrist}, RobotState(q, np.zeros(7), gripper, fk(SPEC, q)), 0.0
    )


def policy_of(answer, **form) -> RemotePolicy:
    call = answer if callable(answer) else lambda flat: {"actions": answer}
    return RemotePolicy(call, RemoteFormat(KEYS, **form), SPEC, refusals=(PolicyServerRefused,))


def rows(n: int = 8, step: float = 0.01, gripper: float = 0.0) -> np.ndarray:
    return np.column_stack([SPEC.q_home + step * np.arange(1, n + 1)[:, None], np.full(n, gripper)])


class TestRemotePolicy(PolicyContract):
    @pytest.fixture
    def bench(self) -> Bench:
        return Bench(policy_of(rows()), SPEC, seen, lambda chunk: None, ("front", "wrist"))


def test_what_is_sent_is_what_droid_clients_send_and_our_extras():
    sent = policy_of(rows()).describe(seen(gripper=0.9), TOLD)
    assert sent[KEYS.image].dtype == np.uint8 and sent[KEYS.wrist_image].shape == (96, 96, 3)
    assert sent[KEYS.joints].shape == (7,) and np.isclose(sent[KEYS.gripper], 0.1).all()
    assert sent["prompt"] == STEP and sent[KEYS.depth].dtype == np.float32
    plain = policy_of(rows(), depth=False, wrist_camera=None, image_size=(224, 224))
    sent = plain.describe(seen(depth=False), TOLD)
    assert set(sent) == {KEYS.image, KEYS.joints, KEYS.gripper, KEYS.prompt}
    assert sent[KEYS.image].shape == (224, 224, 3) and plain.cameras == ("front",)
    assert (sent[KEYS.image][112, 112] == 90).all() and (sent[KEYS.image][0] == 0).all()  # black bars
    with pytest.raises(ValueError, match="no depth to send"):
        policy_of(rows()).describe(seen(depth=False), TOLD)


def test_absolute_joints_are_taken_as_they_are_up_to_the_horizon():
    chunk = policy_of(rows(10, gripper=1.0)).act(seen(), TOLD)
    assert np.allclose(chunk.q_targets, rows(8)[:, :7]) and (chunk.gripper == 0.0).all()
    assert policy_of(rows(gripper=1.0), one_is_closed=False).act(seen(), TOLD).gripper[0] == 1.0
    assert policy_of(rows(gripper=1.05)).act(seen(), TOLD).gripper[0] == 0.0  # networks overshoot a little


def test_droid_s_joint_velocities_become_positions_from_where_the_arm_is():
    velocity = np.zeros((3, 8))
    velocity[:, 0], velocity[2, 1] = 0.5, 2.0  # the last row asks too much: it is scaled, its direction kept
    chunk = policy_of(velocity, actions="joint_velocity").act(seen(), TOLD)
    assert np.allclose(chunk.q_targets[:, 0] - SPEC.q_home[0], [0.1, 0.2, 0.25])
    assert np.allclose(chunk.q_targets[:, 1] - SPEC.q_home[1], [0, 0, 0.2])


def test_rows_made_for_another_rate_are_resampled_in_time():
    chunk = policy_of(rows(15), rows_hz=15.0, horizon=15).act(seen(), TOLD)
    assert chunk.q_targets.shape == (20, 7) and chunk.control_hz == 20.0
    assert np.allclose(chunk.q_targets[:, 0] - SPEC.q_home[0], 0.15 * np.arange(1, 21) / 20)
    grip = rows(15)
    grip[5:, 7] = 1.0  # closes with the sixth row: after 1/3 s, not before
    opening = policy_of(grip, rows_hz=15.0, horizon=15).act(seen(), TOLD).gripper
    assert (opening[: int(20 * 5 / 15)] == 1.0).all() and (opening[7:] == 0.0).all()


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        (np.zeros((8, 7)), r"\(8, 7\), expected \(H, 8\)"),
        (np.zeros(8), "expected"),
        (np.zeros((0, 8)), "H from 1"),
        (np.zeros((5000, 8)), "H from 1"),
        (None, "not numbers"),
        ("up", "not numbers"),
        (np.where(np.arange(64).reshape(8, 8) == 19, np.nan, 0.0), "row 2, column 3"),
        (np.full((1, 8), np.inf), "row 0, column 0"),
        ([[0] * 8, [0] * 7], "not numbers"),
    ],
)
def test_actions_are_checked_before_they_become_a_chunk(actions, words):
    with pytest.raises(ActionsRefused, match=words) as caught:
        policy_of(actions).act(seen(), TOLD)
    assert isinstance(caught.value, RobotError)  # the run ends with the arm holding


def test_a_server_s_refusal_is_a_failed_step_and_its_death_is_not():
    def refuse(flat):
        raise PolicyServerRefused("policy server x: StepFailed: see nothing like it")

    with pytest.raises(StepFailed, match="see nothing like it"):
        policy_of(refuse).act(seen(), TOLD)

    def dead(flat):
        raise PolicyServerUnavailable("no answer for 2.0 s")

    with pytest.raises(PolicyServerUnavailable, match="no answer") as caught:
        policy_of(dead).act(seen(), TOLD)
    assert isinstance(caught.value, RobotError)  # the run ends with the arm holding


def test_done_is_the_server_s_word_or_else_a_number_of_ticks():
    policy = policy_of(rows(), step_ticks=20)
    dones = []
    for _ in range(3):
        policy.act(seen(), TOLD)
        dones.append(policy.done)
    assert dones == [False, False, True]
    policy.reset()
    assert not policy.done
    said = policy_of(lambda flat: {"actions": rows(), "done": False}, step_ticks=8)
    said.act(seen(), TOLD)
    assert not said.done


def test_a_horizon_that_would_skip_rows_of_our_own_server_is_named():
    policy = policy_of(lambda flat: {"actions": rows(16), "execute_rows": 16})
    with pytest.raises(ActionsRefused, match="policy.horizon=16"):
        policy.act(seen(), TOLD)


def test_remote_policy_and_server_carry_out_a_step_together():
    with OpenpiServer(sweep_session, sweep_metadata(), "127.0.0.1:0") as server:
        config = load(RunConfig, ["policy=remote", f"policy.address=127.0.0.1:{server.port}"])
        policy, q = remote_policy(config.policy, SPEC), SPEC.q_home
        for _ in range(2):  # a second step begins anew
            policy.reset()
            q, chunks = SPEC.q_home, 0
            while not policy.done:
                q = policy.act(seen(q), TOLD).q_targets[-1]
                chunks += 1
            assert chunks == sum(-(-n // 8) for n in LENGTHS)
            assert np.allclose(q - SPEC.q_home, 1e-3 * sum(LENGTHS), atol=1e-5)
        policy._forget()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["policy.protocol=openpie"], "did you mean 'openpi'"), (["policy.actions=torque"], "joint_velocity"),
        (["policy.address=there"], "host:port"), (["policy.timeout_s=0"], "policy.timeout_s"),
        (["policy.image_size=[224,224]"], "depth=false"), (["policy.token_file=/nowhere"], "/nowhere"),
        (["policy.gripper_one=shut"], "closed, open"),
        (["policy.timeout_s=-1.0"], "policy.timeout_s=-1.0: expected 0.001 to 3600"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_what_exists(words, said):
    with pytest.raises(UsageError, match=said):
        remote_policy(load(RunConfig, ["policy=remote", *words]).policy, SPEC)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["protocol=rest"], "gr00t, openpi"),
        (["policy=expert"], "chunk, keypose"),
        (["horizon=0"], "horizon=0"),
        (["max_guests=0"], "max_guests=0: expected at least 1"),
        (["calibration=/nowhere.yaml"], "calibration=/nowhere.yaml: No such file.*; name .* intrinsics"),
        (["token_file=/nowhere"], "token_file=/nowhere: No such file.*; name a text file with 16 to"),
    ],
)
def test_a_server_s_wrong_setting_is_named_too(words, said, monkeypatch):
    monkeypatch.setattr(KeyposeConfig, "factory", lambda *a: None)
    with pytest.raises(UsageError, match=said):
        build_server(load(ServePolicyConfig, ["policy=keypose", *words]))


def test_the_real_keypose_policy_is_served_on_a_rendered_scene():
    """One rendered table: the rows a client gets over the wire are those that the policy gives in process."""
    pytest.importorskip("pybullet")
    from palme.cli.rig.build import build_rig, detector_of
    from palme.cli.rig.scene_from_text import scene_for

    config = load(ServePolicyConfig, ["policy=keypose", "address=127.0.0.1:0"])
    rig = build_rig(load(RunConfig, ["planner=oracle", "policy=expert"]), 0)
    rig.world.load(scene_for(STEP, 3, 2))
    rig.arm.hold(5)
    observation = rig.arm.observe(("front", "wrist"))
    rig.close()
    with build_server(config) as server:
        client = OpenpiClient(f"127.0.0.1:{server.port}", 30.0, 30.0)
        told = client.connect()
        assert told["policy"] == "keypose" and told["robot"] == "panda"
        remote = RemotePolicy(client.infer, RemoteFormat(KEYS), SPEC, client.reset)
        chunk = remote.act(observation, TOLD)
        client.close()
    local = config.policy.factory(SPEC, detector_of(config.detector))().act(observation, TOLD)
    n = min(8, len(local.q_targets))
    np.testing.assert_allclose(chunk.q_targets[:n], local.q_targets[:n], atol=1e-5)
    np.testing.assert_allclose(chunk.gripper[:n], local.gripper[:n], atol=1e-6)
    assert np.abs(chunk.q_targets[-1] - SPEC.q_home).max() > 0.01  # it does move


@pytest.mark.parametrize("protocol", ["openpi", "gr00t"])
@pytest.mark.parametrize("joint", range(7))
@pytest.mark.parametrize("away", [0.16, -0.3, 1.2])
@pytest.mark.parametrize("event", ["the start", "a new step", "a lost server", "refusals before"])
def test_the_first_action_of_every_session_of_a_server_is_near_the_measured_arm(
    protocol: str, joint: int, away: float, event: str
) -> None:
    far, lost, here = rows(), False, SPEC.q_home
    far[:, joint] += away if SPEC.q_min[joint] < here[joint] + away < SPEC.q_max[joint] else -away
    answers = [rows()]

    def call(flat):
        if lost:
            raise PolicyServerUnavailable("gone")
        return {"actions": answers[0]}

    policy = RemotePolicy(call, RemoteFormat(keys_for(protocol)), SPEC, refusals=(PolicyServerRefused,))
    if event != "the start":
        policy.act(seen(), TOLD)
        policy.act(seen(), TOLD)
    if event == "a new step":
        policy.reset()
    elif event == "a lost server":
        lost = True
        with pytest.raises(PolicyServerUnavailable):
            policy.act(seen(), TOLD)
        lost = False
    elif event == "refusals before":
        answers[0] = rows() * np.nan
        with pytest.raises(ActionsRefused):
            policy.act(seen(), TOLD)
    answers[0] = far
    for _ in range(2):
        with pytest.raises(
            CommandJumps, match=rf"{SPEC.joint_names[joint]}: first target .* the server's first"
        ):
            policy.act(seen(), TOLD)
    answers[0] = rows()
    policy.act(seen(), TOLD)
