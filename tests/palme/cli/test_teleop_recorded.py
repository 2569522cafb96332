"""A session by hand that is recorded: real time beside nominal, stop and rearm, replayed to the last bit."""

from __future__ import annotations

import time

import numpy as np
import pytest

from palme.cli.bench.browser import why_not
from palme.cli.commands.teleop import person_at, simulated
from palme.cli.config import load
from palme.cli.main import main
from palme.cli.settings.run import TeleopConfig
from palme.data.errors import CameraTimeoutError
from palme.data.reader import Dataset
from palme.data.recorder import latest_images
from robots.errors import DriverError
from robots.teleop.pictures import FetchedPictures
from robots.teleop.teleop_actions import Jog
from tests.bridge_rig import bench, until
from tests.teleop_rig import GateArm


@pytest.mark.timing
def test_a_session_is_one_episode_by_the_real_clock_and_replays_to_the_last_bit(tmp_path, capsys) -> None:
    root = tmp_path / "session"
    config = load(TeleopConfig, ["distractors=2", f"record={root}", "task=to and fro"])
    arm, scene = simulated(config)
    begin = time.monotonic()
    try:
        with person_at(arm, config, None, scene) as assisted:
            shared = assisted.shared

            def jogged(ticks: int) -> None:
                done, q = assisted.loop.timer.ticks + ticks, shared.state.q
                shared.take("anna")

                def moved() -> bool:
                    shared.act("anna", Jog((0.0, 0.0, 0.5)))
                    return assisted.loop.timer.ticks >= done and np.abs(shared.state.q - q).max() >= 0.01

                until(moved, "a motion")

            jogged(10)
            shared.halt("anna", "enough")
            until(lambda: shared._session.latched, "the arm at rest")
            shared.rearm("anna")
            jogged(5)
            seen = assisted.loop.frame("front")
            assert begin < seen[1] < time.monotonic()
    finally:
        arm.world.close()
    lasted = time.monotonic() - begin
    assert "record: " in capsys.readouterr().out
    dataset = Dataset(root)
    episode = dataset.episode(0)
    numbers, side = episode.numbers, episode.sidecar
    assert episode[0].task == "to and fro" and len(episode) >= 15
    assert dataset.cameras == ("front", "wrist") and numbers["intervention"].any()
    # the arm's own time stands still while it is stopped; the clock does not, and no machine keeps it exactly
    steps = np.diff(numbers["capture_time"])
    assert (steps > 0).all() and 0 < numbers["capture_time"][-1] < lasted
    assert len(set(steps.round(9))) > 3 and side.timing.oldest_picture_ms > 0
    assert [order.kind for order in side.commands if order.kind != "command"] == ["stop", "rearm"]
    dataset.close()
    assert main(["replay", str(root), "episode=0"]) == 0
    assert "equal to the last bit" in capsys.readouterr().out


def test_a_picture_that_is_too_old_to_be_recorded_is_named() -> None:
    class Old:
        def newest(self, camera):
            return GateArm().picture(), time.monotonic() - (3.0 if camera == "wrist" else 0.0)

    with pytest.raises(CameraTimeoutError, match="camera wrist: no image for [23]"):
        latest_images(GateArm(), Old(), ("front", "wrist"))()  # type: ignore[arg-type]
    seen, age = latest_images(GateArm(), Old(), ("front",))()  # type: ignore[arg-type]
    assert age < 1.0 and abs(seen.t_mono - time.monotonic()) < 1.0 and tuple(seen.images) == ("front",)


def test_a_served_arm_moved_by_hand_is_recorded_with_its_cameras_and_its_lease(tmp_path, capsys) -> None:
    root = tmp_path / "session"
    config = load(TeleopConfig, [f"record={root}", "task=across the wire", "robot=panda"])
    with bench(tmp_path / "keys", hz=20.0, cameras=("left", "right"), size=(64, 48)) as served:
        human = served.client("anna", "human", human=True)
        with person_at(human, config, None) as assisted:
            shared = assisted.shared
            shared.rearm("anna")  # takes the lease
            shared.take("anna")
            begin = shared.state.base_from_ee[2, 3]
            up = Jog((0.0, 0.0, 0.5))
            until(
                lambda: (shared.act("anna", up), shared.state.base_from_ee[2, 3] > begin + 0.02)[1],
                "a motion",
            )
            until(lambda: assisted.loop.frame("right")[1] > time.monotonic() - 5.0)
            shared.hand_back("anna")
            until(lambda: served.server.control.lease.holder is None, "the lease to be free")
        counted = served.server.counts()
    assert "record: " in capsys.readouterr().out
    dataset = Dataset(root)
    episode = dataset.episode(0)
    assert dataset.cameras == ("left", "right") and episode[0].task == "across the wire"
    assert 1 < len(episode) <= counted["command"] and counted["picture"] >= 4
    assert episode.numbers["intervention"].any() and (np.diff(episode.numbers["capture_time"]) > 0).all()
    sent = [command.q_target for _, command in list(served.arm.sent)]
    assert all(np.abs(np.array(sent) - row[:-1]).max(1).min() < 1e-5 for row in episode.numbers["action"])
    assert "rearm" in [order.kind for order in episode.sidecar.commands]
    dataset.close()


def test_a_camera_across_the_wire_that_gives_nothing_is_named(monkeypatch) -> None:
    class Blind(GateArm):
        def picture(self, camera: str = ""):
            raise DriverError("unplugged")

    monkeypatch.setattr("robots.teleop.pictures.TIMEOUT", 0.3)
    with pytest.raises(DriverError, match="camera left: .*unplugged"):
        FetchedPictures(Blind(), ("left",))


@pytest.mark.timing
@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_the_clock_is_measured_with_a_browser_that_moves_the_arm(tmp_path, capsys) -> None:
    small = ["camera.front_size=[160,120]", "camera.wrist_size=[96,96]"]
    record = f"record={tmp_path / 'session'}"
    assert main(["bench", "clock", "minutes=0.03", "encoding=0", "distractors=1", record, *small]) in (0, 1)
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if " " in line)
    assert int(said["cycles"]) > 10 and int(said["cycles_moved_by_hand"]) > 0
    assert int(said["pictures_shown"]) > 0 and float(said["late_ms_p50"]) < 50
    assert int(said["recorded_frames"]) >= int(said["cycles"])
    assert len(Dataset(tmp_path / "session")) == int(said["recorded_frames"])
