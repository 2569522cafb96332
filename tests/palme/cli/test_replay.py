"""A run is recorded without changing it, and its commands give the same end again, to the last bit."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from palme.cli.commands.replay import replay_exactly, replay_on
from palme.cli.main import main
from palme.cli.rig import recording
from palme.cli.rig.scene_snapshot import final_state, rgb_look
from palme.cli.rig.tabletop_server import TableServer
from palme.cli.settings.groups import RobotConfig
from palme.data.check import check
from palme.data.errors import CameraTimeoutError, ReplayError
from palme.data.inline import InlineEncoder
from palme.data.reader import Dataset
from palme.data.recorder import BackgroundCameras, Recorder, schema_of
from palme.data.sidecar import Run
from palme.data.writer import DatasetWriter
from palme.report.episode_film import captions_of
from robots.bridge.server import BridgeServer
from robots.errors import CommandRejected
from robots.executor import Executor
from robots.spec import CONFIG_DIR
from robots.teleop.shared_robot import SharedArm
from robots.types import ActionChunk, JointCommand
from sim.world.arm import SimulatedArm
from sim.world.driver import SimulatedDriver
from sim.world.scene import Scene
from sim.world.world import World
from tests.agent_fakes import FakeArm, FakePlanner, FakePolicy, agent
from tests.bridge_rig import PATIENCE, KeyRing, bench, free_ports, path, spec_at
from tests.data_rig import patient

PRIVILEGED = ["planner=oracle", "policy=expert", "look=fast", "video=false", "seed=3"]
PUT, BACK = "put the red block in the blue bowl", "put the red block on the table"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A recorded run of `palme run`, with its own log."""
    out = tmp_path_factory.mktemp("run")
    assert main(["run", PUT, *PRIVILEGED, f"out={out / 'out'}", f"record={out / 'd'}"]) == 0
    return out


def test_a_run_is_recorded_with_requests_sent_commands_events_and_images(run):
    episode = Dataset(run / "d").episode(0)
    side, numbers = episode.sidecar, episode.numbers
    assert check(run / "d", deep=True) == [] and episode.task == PUT
    assert set(episode.steps) == {PUT} and not numbers["intervention"].any()
    assert (numbers["action"] != numbers["action.requested"]).any()  # fingers that were stopped by the block
    assert [one.kind for one in side.events] == ["planned", "judged", "planned", "finished"]
    assert side.run.truth is None and side.run.done and side.run.planner == "oracle" and side.run.seed == 3
    assert np.allclose(numbers["capture_time"], numbers["timestamp"], atol=1e-6)
    assert not side.timing.late_frames and not side.timing.repeated
    assert episode[0].images["front"].shape == (176, 240, 3)


def test_the_same_commands_give_the_same_final_state_bit_for_bit(run, capsys):
    side = Dataset(run / "d").episode(0).sidecar
    final, surprise = replay_exactly(side)
    assert surprise == "" and len(final) > 40 and tuple(final) == side.run.final
    assert main(["replay", str(run / "d"), "episode=0"]) == 0
    assert "equal to the last bit" in capsys.readouterr().out


def test_a_command_changed_by_a_billionth_is_noticed(run):
    side = Dataset(run / "d").episode(0).sidecar
    orders = list(side.commands)
    at = len(orders) // 2
    orders[at] = replace(orders[at], q_target=(orders[at].q_target[0] + 1e-9, *orders[at].q_target[1:]))
    assert tuple(replay_exactly(replace(side, commands=tuple(orders)))[0]) != side.run.final


def test_recording_changes_nothing_of_a_run(run, tmp_path):
    """Also no noise in what the planner sees afterwards: the recorder's pictures draw none."""
    ends = []
    for recorded in (False, True):
        world = World("fast")
        arm = SimulatedArm(world)
        world.load(Scene.from_yaml((run / "out" / "scene.yaml").read_text()))
        robot = arm
        if recorded:
            seen, _ = rgb_look(arm)
            dataset = DatasetWriter(tmp_path / "d", schema_of(arm, seen), InlineEncoder)
            robot = Recorder(arm, dataset, lambda arm=arm: rgb_look(arm))
            robot.begin(PUT)
        q = arm.state().q
        targets = q + np.linspace(0, 0.1, 6)[:, None]
        Executor(robot).run(ActionChunk(targets, np.ones(6), 20.0))
        ends.append((final_state(arm), arm.observe(("front",)).images["front"].depth))
        world.close()
    assert ends[0][0] == ends[1][0] and np.array_equal(ends[0][1], ends[1][1])


def test_refused_commands_and_stops_are_replayed_too(tmp_path):
    scene = Scene((), ())
    rig = SimpleNamespace(world=World("fast"))
    rig.arm = SimulatedArm(rig.world)
    rig.world.load(scene)
    rig.arm.hold(5)
    panda = RobotConfig.decode(yaml.safe_load((CONFIG_DIR / "panda.yaml").read_text()), "robot")
    kept = recording.Recording(str(tmp_path / "d"), rig.arm, panda, "h264")
    robot = kept.begin(rig.arm, "wave", scene, 5, 0)
    q = rig.arm.state().q
    for seq in range(12):
        robot.command(JointCommand(q + 0.02 * seq, 1.0, seq, 0.0))
    for bad in (np.nan, np.inf):
        with pytest.raises(CommandRejected):
            robot.command(JointCommand(q * bad, 1.0, 20, 0.0))
    robot.stop("enough")
    with pytest.raises(CommandRejected):
        robot.command(JointCommand(q, 1.0, 21, 0.0))
    robot(SimpleNamespace())  # no event of the agent
    final = final_state(rig.arm)
    assert "12 frames" in kept.save(None)
    kept.close()
    rig.world.close()
    side = Dataset(tmp_path / "d").episode(0).sidecar
    assert [o.kind for o in side.commands] == ["command"] * 14 + ["stop", "command"]
    assert [o.accepted for o in side.commands[-4:]] == [False, False, True, False]
    assert replay_exactly(side) == (final, "")


def test_another_arm_starts_only_from_near_the_first_pose(run):
    episode = Dataset(run / "d").episode(0)
    world = World("fast")
    arm = SimulatedArm(world)
    away = np.array([0.6, -0.55, 0.0, -2.45, 0.0, 1.9, 0.7854])
    world.load(Scene((), ()), q=away)
    with pytest.raises(ReplayError, match=r"panda_joint1 is at 0.600 rad, .*approach=true"):
        replay_on(arm, episode)
    assert np.allclose(arm.state().q, away, atol=1e-3)  # it has not moved
    sent, furthest = replay_on(arm, episode, approach=True)
    assert sent == len(episode) and furthest < 0.02
    world.close()


def test_another_kind_of_arm_is_refused_by_its_joints(run):
    with pytest.raises(ReplayError, match="fake has joints"):
        replay_on(FakeArm(), Dataset(run / "d").episode(0))


def test_replay_on_a_named_arm_goes_through_its_gate(run, capsys):
    assert main(["replay", str(run / "d"), "robot=panda"]) == 0
    assert "commands sent; measured joints at most 0.0" in capsys.readouterr().out


def test_an_episode_is_seen_as_a_film(run, tmp_path, capsys):
    import av

    assert main(["view", str(run / "d"), f"out={tmp_path}", "height=96", "rerun=false"]) == 0
    assert "palme-stack[view]" in capsys.readouterr().out
    episode = Dataset(run / "d").episode(0)
    with av.open(str(tmp_path / "video.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == len(episode)
    captions = captions_of(episode)
    assert captions[0].plan[0].text == PUT and captions[-1].plan[-1].state == "done"


def test_a_file_for_rerun_without_rerun_says_how_to_get_it(run, monkeypatch, capsys):
    monkeypatch.setattr("palme.report.rerun_log.installed", lambda: False)
    assert main(["view", str(run / "d"), "rerun=true"]) == 2
    assert "pip install 'palme-stack[view]'" in capsys.readouterr().err


def test_a_file_for_rerun_holds_the_episode(run, tmp_path):
    pytest.importorskip("rerun")
    assert main(["view", str(run / "d"), f"out={tmp_path}", "height=96", "rerun=true"]) == 0
    assert (tmp_path / "episode.rrd").read_bytes()[:4] == b"RRF2"


def test_evaluation_records_every_episode_but_the_controls(tmp_path, capsys):
    words = ["planner=oracle", "policy=expert", "tasks=[put_in_bowl]", "episodes=2", "controls=true"]
    assert main(["eval", *words, f"out={tmp_path / 'o'}", f"record={tmp_path / 'd'}"]) == 0
    dataset = Dataset(tmp_path / "d")
    assert len(dataset.entries) == 2 and check(tmp_path / "d") == []
    assert all(episode.sidecar.run.truth is True for episode in dataset.episodes())
    assert replay_exactly(dataset.episode(1).sidecar)[0] == list(dataset.episode(1).sidecar.run.final)
    assert main(["eval", *words, "workers=2", f"record={tmp_path / 'd'}"]) == 2
    assert "set workers=1" in capsys.readouterr().err


def test_a_run_into_a_data_set_of_another_arm_is_refused_before_anything_moves(run, tmp_path, capsys):
    words = [*PRIVILEGED, "camera.wrist_size=[64,64]", f"out={tmp_path}", f"record={run / 'd'}"]
    assert main(["run", PUT, *words]) == 2
    assert "observation.images.wrist" in capsys.readouterr().err
    assert not (tmp_path / "events.jsonl").exists()


def test_any_robot_is_recorded_and_a_person_taking_over_is_marked(tmp_path):
    arm = RealishArm()
    dataset = DatasetWriter(tmp_path / "d", schema_of(arm, arm.observe()), InlineEncoder)
    recorder = Recorder(arm, dataset)
    recorder.begin("sort it", Run("", arm="fake"))
    loop = agent(FakePlanner([PUT, BACK], [True, True]), FakePolicy(), recorder, [recorder])
    loop._executor = Executor(recorder)
    recorder.is_intervention = lambda: False
    loop.run("sort it")
    recorder.is_intervention = lambda: True
    Executor(recorder).send(arm.q, 1.0)
    recorder.save()
    dataset.close()
    episode = Dataset(tmp_path / "d").episode(0)
    assert set(episode.steps) == {PUT, BACK, ""}
    assert list(np.flatnonzero(episode.numbers["intervention"])) == [len(episode) - 1]
    assert [s.kind for s in episode.sidecar.events].count("judged") == 2 and episode.sidecar.run.done is True
    assert episode.sidecar.run.world == ""
    with pytest.raises(ReplayError, match="robot=panda or robot=bridge"):
        replay_exactly(episode.sidecar)


class RealishArm(FakeArm):
    """A fake arm that takes commands itself; its camera can be pulled out."""

    spec = SimpleNamespace(**vars(FakeArm.spec), n_joints=7, dt=0.05)

    def __init__(self):
        super().__init__()
        self.unplugged = False

    def observe(self, cameras=None):
        if self.unplugged and cameras != ():
            raise OSError("no such device")
        seen = super().observe(cameras)
        return replace(seen, images={} if cameras == () else seen.images, t_mono=time.monotonic())

    def command(self, command):
        self.q, self.gripper = np.array(command.q_target), command.gripper
        self.sent.append(command)
        return command._replace(t_mono=time.monotonic())


def test_who_shares_the_arm_with_a_person_sees_through_the_recorder():
    world = World("fast")
    arm = SimulatedArm(world, cameras=("front", "wrist"))
    world.load(Scene((), ()))
    shared = SharedArm(Recorder(arm, None))  # type: ignore[arg-type]  # nothing is written before `begin`
    assert set(shared.observe().images) == {"front", "wrist"}
    world.close()


def test_a_run_across_the_bridge_with_a_person_beside_it_is_recorded(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "palme.data.recorder.CAMERA_TIMEOUT", PATIENCE
    )  # a busy machine's cameras are late as well
    ring = KeyRing(tmp_path / "keys")
    ring.client("me")
    base, root = free_ports(), tmp_path / "set"
    words = ["run", "put the red block in the blue bowl", "seed=12", "planner=readout", "policy=keypose"]
    far = [f"bridge.keys={ring.folder}", "bridge.table=true", "bridge.timeout=20.0", "robot=bridge"]
    served = SimulatedDriver(spec_at(20.0))
    with BridgeServer(served, ring.server, ring.folder, f"tcp://127.0.0.1:{base}", realtime=False) as server:
        TableServer(server, base + 3)
        beside = [f"bridge.address={server.address}", "console=true", f"record={root}", f"out={tmp_path}"]
        assert main([*words, *far, *beside]) == 0, capsys.readouterr().out[-1500:]
        commands = server.counts()["command"]
    dataset = Dataset(root)
    episode = dataset.episode(0)
    assert len(episode) == commands > 50 and not episode.numbers["intervention"].any()
    assert {"front", "wrist"} == set(dataset.cameras) and set(dataset.steps) > {""}
    dataset.close()


def test_an_arm_across_the_bridge_is_recorded_with_what_its_gate_let_through(tmp_path):
    with bench(tmp_path / "keys", hz=20.0, cameras=("front", "side"), size=(64, 48)) as far:
        client = far.armed()
        watcher = BackgroundCameras(client)
        with DatasetWriter(tmp_path / "d", schema_of(client, watcher.observe()), patient) as dataset:
            recorder = Recorder(watcher, dataset, watcher.capture)
            recorder.begin("wave")
            q = recorder.observe(()).robot.q
            for seq in range(15):
                recorder.command(JointCommand(q + 0.5 * (seq > 2), 1.0, seq, 0.0))  # further than a tick goes
            recorder.save()
        watcher.close()
        sent = path(far.arm)
    episode = Dataset(tmp_path / "d").episode(0)
    assert len(episode) == 15 and check(tmp_path / "d", deep=True) == []
    found = episode.numbers["action"][:, :7]
    assert all(np.abs(sent - row).max(1).min() < 1e-6 for row in found)  # each is one that truly went out
    assert np.abs(episode.numbers["action.requested"][:, :7] - found).max() > 0.2
    captured = episode.numbers["capture_time"]  # a state that was not heard anew in time keeps its own
    assert (np.diff(captured) >= 0).all() and captured[-1] > captured[0]
    assert episode.sidecar.timing.oldest_picture_ms < 1000


def test_a_camera_that_is_unplugged_ends_the_run_with_the_arm_holding(tmp_path):
    arm = RealishArm()
    watcher = BackgroundCameras(arm)
    dataset = DatasetWriter(tmp_path / "d", schema_of(arm, arm.observe()), InlineEncoder)
    recorder = Recorder(watcher, dataset, watcher.capture)
    recorder.begin("sort it")
    recorder.command(JointCommand(arm.q, 1.0, 0, 0.0))
    arm.unplugged = True
    limit = time.monotonic() + 20
    with pytest.raises(CameraTimeoutError, match=r"no image for .*no such device.*check the cable"):
        while time.monotonic() < limit:
            watcher.capture()
            time.sleep(0.01)
    sent = len(arm.sent)
    with pytest.raises(CameraTimeoutError):
        recorder.command(JointCommand(arm.q, 1.0, 1, 0.0))
    assert len(arm.sent) == sent  # what cannot be recorded is not sent
    watcher.close()
    dataset.close()


def test_a_full_disk_in_a_run_is_reported_and_the_arm_holds(tmp_path, monkeypatch, capsys):
    from palme.data.errors import WriteError
    from palme.data.writer import EpisodeWriter

    def full(self, row):
        if self.n >= 3:
            raise WriteError("d/front.mp4: no space left on device; free some space")
        add(self, row)

    add = EpisodeWriter.add
    monkeypatch.setattr(EpisodeWriter, "add", full)
    assert main(["run", PUT, *PRIVILEGED, f"out={tmp_path / 'o'}", f"record={tmp_path / 'd'}"]) == 3
    said = capsys.readouterr()
    assert "no space left on device" in said.out and "Traceback" not in said.err
    assert check(tmp_path / "d") == []
    log = [json.loads(line) for line in (tmp_path / "o" / "events.jsonl").read_text().splitlines()]
    sent = [q for line in log if line["event"] == "acted" for q in line["q_sent"]]
    assert len(sent) <= 4  # nothing more is sent
    (finished,) = (line for line in log if line["event"] == "finished")
    assert finished["cause"] == "rejected" and "no space left" in finished["reason"]
