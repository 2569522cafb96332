"""`palme serve`, `palme keys`, and the same evaluation on an arm across the wire."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from palme.cli.bench import install as bench_install
from palme.cli.commands import serve_arm
from palme.cli.errors import UsageError
from palme.cli.evaluation import workers as pool
from palme.cli.main import main
from palme.cli.rig.scene_from_text import scene_for
from palme.cli.rig.tabletop_server import TableServer
from palme.cli.settings.bench import InstallConfig
from robots import serve
from robots.bridge import keys, sockets
from robots.bridge.server import BridgeServer
from robots.drivers.ideal import IdealArm
from sim.world.driver import SimulatedDriver
from sim.world.scene import Scene
from tests.bridge_rig import PATIENCE, KeyRing, bench, free_ports, spec_at, until

ROOT = Path(__file__).resolve().parent.parent.parent.parent

PUT, RED = "put the red block in the blue bowl", "put red in the blue bowl"


def test_serving_imports_the_base_install_alone_and_starts_within_a_second(tmp_path) -> None:
    ring = KeyRing(tmp_path)
    heavy = (*bench_install.NOT_BASE, "omegaconf", "sim")
    code = (
        "import sys, atexit\n"
        "import time\n"
        f"heavy = {heavy!r}\n"
        "say = lambda: print([m for m in heavy if m in sys.modules], time.process_time())\n"
        "atexit.register(say)\n"
        "from palme.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = ["serve", "robot=panda", "backend=ideal", "address=tcp://127.0.0.1:0", f"keys={ring.folder}"]
    child = subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert "serving panda" in child.stdout.readline()
        child.send_signal(signal.SIGINT)
        said, _ = child.communicate(timeout=PATIENCE)
    finally:
        child.kill()
        child.wait()
    loaded, seconds = said.strip().splitlines()[-1].rsplit(" ", 1)
    assert loaded == "[]" and child.returncode == 0
    assert float(seconds) < 1.0  # of the processor, start-up included: the machine may be busy


def test_keys_are_made_allowed_and_listed(tmp_path, capsys) -> None:
    folder = f"keys={tmp_path / 'arm'}"
    assert main(["keys", "new", "name=server", folder]) == 0
    assert main(["keys", "new", "name=me", f"keys={tmp_path / 'mine'}"]) == 0
    assert main(["keys", "list", folder]) == 0
    assert "none: every client" in capsys.readouterr().out
    assert main(["keys", "allow", f"file={tmp_path / 'mine' / 'me.public.json'}", "role=human", folder]) == 0
    assert main(["keys", "list", folder]) == 0
    said = capsys.readouterr().out
    mine = keys.load_secret(tmp_path / "mine", "me")
    assert mine.public in said and mine.secret not in said and "human" in said
    assert keys.AllowList(tmp_path / "arm").find(mine.public) is not None


def test_an_entry_that_cannot_be_read_is_named_in_the_list(tmp_path, capsys) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "x.json").write_text("{")
    assert main(["keys", "list", f"keys={tmp_path}"]) == 0
    said = capsys.readouterr().out
    assert (
        "none: every client" in said
        and "grant no access" in said
        and str(tmp_path / "allowed" / "x.json") in said
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["keys"], ["new name=NAME"]),
        (["keys", "nwe"], ["did you mean 'new'"]),
        (["keys", "new"], ["name=..."]),
        (["keys", "new", "nam=x"], ["did you mean 'name'"]),
        (["keys", "allow", "file=/nowhere.json", "role=policy"], ["/nowhere.json: no such file; copy"]),
        (["keys", "allow", "file=me.public.json"], ["role=viewer|policy|human"]),
        (["keys", "allow", "file=me.secret.json", "role=policy"], ["secret key", "give me.public.json"]),
        (["run", RED, "robot=bridge", "planner=readout", "bridge.key=server", "bridge.server=nobody"],
         ["nobody.public.json: no such file; copy nobody.public.json from the arm's computer"]),
        (["keys", "allow", "file=/nowhere.json", "role=king"], ["viewer", "human"]),
        (["serve"], ["robot=panda backend=sim"]),
        (["serve", "robot=panda", "adress=x"], ["did you mean 'address'"]),
        (["serve", "robot=panda", "realtime=perhaps"], ["realtime='perhaps'", "bool"]),
        (["serve", "robot=panda", "backend=ideal", "table=true"], ["backend=sim"]),
        (["serve", "robot=panda", "backend=xarm", "realtime=false"], ["runs in real time"]),
        (["run", "put it there", "robot=bridge", "planner=oracle"], ["oracle reads the simulator"]),
        (["run", "put it there", "robot=bridge", "bridge.adress=x"], ["bridge.address"]),
        (["run", RED, "robot=bridge", "planner=readout", "bridge.key=nobody"], ["keys new name=nobody"]),
        (["eval", "robot=bridge", "workers=2", "episodes=2"], ["workers=1"]),
        (["bench", "policy", "robot=bridge"], ["moves no remote arm"]),
        (["bench", "bridge", "pictures=png"], ["auto, jpeg, raw"]),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_named_with_its_remedy(
    arguments, words, capsys, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("PALME_KEYS", str(tmp_path))
    keys.new(tmp_path, "server")
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    for word in words:
        assert word in said, said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["backend=idael"], "did you mean 'ideal'"),
        (["backend=foo"], "no backend 'foo'. There are: dry_run"),
        (["backend=ideal", "bogus=1"], "unknown key 'bogus'. There are: robot"),
        (["backend=ideal", "backend.speed=3"], "it takes cameras, size, keep"),
        (["backend=ideal", "backend.keep=all"], "backend.keep=all"),
        (["backend=xarm"], "backend=xarm needs backend.address=... (the controller's IP); it takes address"),
        (["backend=franka"], "backend=franka needs backend.address="),
        (["backend=xarm", "backend.address=arm.lan"], "arm.lan: expected the control box's IP"),
        (["backend=sim", "backend.scene=/nowhere.yaml"], "backend.scene=/nowhere.yaml: No such file"),
        (["backend=ideal", "control_hz=-5"], "control_hz=-5: expected 20 to 1000, or 0 for the 20 of panda"),
        (["backend=ideal", "control_hz=1e6"], "expected 20 to 1000"),
        (["backend=ideal", "control_hz=nan"], "expected 20 to 1000"),
        (["backend=ideal", "address=tcp://127.0.0.1:65533"], "1 to 65532"),
        (["backend=ideal", "key=nobody"], "palme keys new name=nobody"),
        (["backend=ideal", "robot=pandda"], "did you mean 'panda'"),
        (["backend=ideal", "address=tcp://0.0.0.0:0"], "beyond_loopback=true"),
    ],
)
def test_a_setting_of_an_arm_that_is_not_understood_says_why(
    words, said, capsys, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("PALME_KEYS", str(tmp_path))
    keys.new(tmp_path, "server")
    assert main(["serve", "robot=panda", *words]) == 2
    assert said in capsys.readouterr().err
    if "backend=sim" not in words:
        assert serve.main(["robot=panda", *words]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("taken", "said"),
    [(0, "for commands"), (1, "for states (the port of address= plus 1)"), (2, "for pictures")],
)
def test_a_port_in_use_is_named_with_the_address_it_comes_from(
    taken, said, capsys, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("PALME_KEYS", str(tmp_path))
    keys.new(tmp_path, "server")
    port = free_ports()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port + taken))
        other.listen()
        assert main(["serve", "robot=panda", "backend=ideal", f"address=tcp://127.0.0.1:{port}"]) == 1
    error = capsys.readouterr().err
    assert f"tcp://127.0.0.1:{port + taken} {said}" in error
    assert "another server may be running" in error and "choose another port by address=" in error


def test_the_last_port_that_is_taken_serves(tmp_path) -> None:
    ring = KeyRing(tmp_path)
    address = f"tcp://127.0.0.1:{sockets.LAST_PORT}"
    with BridgeServer(IdealArm(spec_at(20.0)), ring.server, ring.folder, address) as server:
        assert (server.port, server.picture_port) == (65532, 65534)


def test_help_lists_the_settings_of_an_arm_s_server_and_of_keys(capsys) -> None:
    assert main(["serve", "--help"]) == 0
    said = capsys.readouterr().out
    for name in ("robot", "backend", "address", "keys", "key", "realtime", "beyond_loopback", "dry_run",
                 "control_hz", "table", "backend.KEY"):  # fmt: skip
        line = next(line for line in said.splitlines() if line.startswith(f"  {name}="))
        assert line.partition("#")[2].strip(), name
    assert "xarm" in said and "guest=gello" in said and "protocol=openpi" in said
    assert main(["keys", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("name=", "file=", "role=", "viewer", "policy", "human", "keys="))
    assert serve.main(["--help"]) == 0
    assert "control_hz=" in capsys.readouterr().out


def test_an_evaluation_across_the_wire_comes_out_as_in_process(tmp_path, capsys) -> None:
    ring = KeyRing(tmp_path / "keys")
    ring.client("me")
    words = ["eval", "tasks=[put_in_bowl]", "episodes=1", "seed=1000", "planner=readout", "policy=keypose"]
    assert main([*words, f"out={tmp_path / 'near'}"]) == 0
    base = free_ports()
    driver = SimulatedDriver(spec_at(20.0))
    with BridgeServer(driver, ring.server, ring.folder, f"tcp://127.0.0.1:{base}", realtime=False) as server:
        TableServer(server, base + 3)
        far = [f"bridge.address={server.address}", f"bridge.keys={ring.folder}", "bridge.table=true"]
        assert main([*words, "robot=bridge", *far, "bridge.timeout=20.0", f"out={tmp_path / 'far'}"]) == 0
        assert server.counts()["command"] > 50 and not [n for n in server.counts() if "refused" in n]
    near, across = (json.loads((tmp_path / x / "results.json").read_text()) for x in ("near", "far"))
    for figures in (*near["tasks"].values(), *across["tasks"].values()):
        del figures["gate"], figures["gate_by_episode"]  # the gate stands across the bridge
    assert near["tasks"] == across["tasks"]
    assert near["timing"]["arm_s"] == across["timing"]["arm_s"]  # to the tick


def served(tmp_path: Path, base: int, **more: Any) -> tuple[BridgeServer, list[str]]:
    """A simulated arm in lock-step at `base`, and what a command says to reach it."""
    ring = KeyRing(tmp_path / "keys")
    ring.client("me")
    driver = SimulatedDriver(spec_at(20.0), **more)
    server = BridgeServer(driver, ring.server, ring.folder, f"tcp://127.0.0.1:{base}", realtime=False)
    far = [
        "robot=bridge", f"bridge.address={server.address}", f"bridge.keys={ring.folder}",
        "bridge.timeout=2.0", "planner=readout", f"out={tmp_path / 'out'}",
    ]  # fmt: skip
    return server, far


def test_a_run_whose_server_dies_ends_with_its_page(tmp_path, capsys) -> None:
    server, far = served(tmp_path, free_ports(), scene=scene_for(PUT, 0, 0))
    with server:
        moved = lambda: server.counts().get("command", 0) > 20  # noqa: E731
        threading.Thread(target=lambda: until(moved) and server.close()).start()
        assert main(["run", PUT, *far]) == 1
    said = capsys.readouterr()
    assert "not achieved" in said.out and "Traceback" not in said.err
    page = (tmp_path / "out" / "report.html").read_text()
    assert "LinkDead" in page or "the server is shutting down" in page  # it brakes first, if it is not killed


def test_an_evaluation_whose_server_dies_writes_what_it_has(tmp_path, capsys, monkeypatch) -> None:
    base = free_ports()
    server, far = served(tmp_path, base)
    with server:
        table = TableServer(server, base + 3)
        played = pool.run_episode

        def once(rig, spec, *more):
            if spec.index == 1:
                server.close()
            return played(rig, spec, *more)

        monkeypatch.setattr(pool, "run_episode", once)
        words = ["eval", "tasks=[put_in_bowl]", "episodes=3", "seed=1000", "bridge.table=true"]
        assert main([*words, "counterfactual=0", *far]) == 1 and table
    said = capsys.readouterr().err
    assert "1 of 3 episodes: LinkDead" in said and "Traceback" not in said
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["tasks"]["put_in_bowl"]["episodes"] == 1 and not results["settings"]["complete"]
    assert (tmp_path / "out" / "report.html").is_file()


def test_what_a_served_arm_lacks_is_named_before_anything_is_loaded(tmp_path, capsys) -> None:
    server, far = served(tmp_path, free_ports(), cameras=("wrist",))
    with server:
        for words, code, said in (
            ([], 2, "the arm has no camera 'front', which planner and policy need; it has ['wrist']"),
            (["bridge.table=true"], 2, "no table is served at tcp://127.0.0.1"),
            (["scene=mine.yaml"], 2, "scene=mine.yaml: a served arm acts on the table that is there"),
            (["detector.camera=wrist", "bridge.human=true"], 1, "RoleNotAllowed: me is allowed as policy"),
        ):
            assert main(["run", PUT, *far, *words]) == code
            assert said in capsys.readouterr().err
        words = ["eval", "tasks=[put_in_bowl]", "episodes=1", "detector.camera=wrist", "bridge.human=true"]
        assert main([*words, *far]) == 1 and "RoleNotAllowed" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("re*"))  # neither results nor report


def test_a_simulated_arm_is_served_with_what_its_sentence_names(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("PALME_KEYS", str(tmp_path))
    keys.new(tmp_path, "server")
    seen: list[Scene] = []

    def look(server, settings, also=None):
        seen.append(server.driver.look(lambda world: world.scene))
        server.close()

    monkeypatch.setattr(serve_arm.serve, "serve", look)
    words = ["serve", "robot=panda", "backend=sim", "address=tcp://127.0.0.1:0"]
    assert main(words) == 0 and main([*words, "sentence="]) == 0
    assert "the objects that 'put the red block in the blue bowl' names" in capsys.readouterr().out
    named = {(o.spec.colour, o.spec.kind) for o in seen[0].objects}
    assert {("red", "block"), ("blue", "bowl")} <= named and len(seen[1].objects) == 0


def test_a_server_ends_after_every_thread_that_reads_its_sockets(tmp_path) -> None:
    """A socket closed under the thread that reads it aborts the whole process."""
    ring = KeyRing(tmp_path)
    for _ in range(5):
        with BridgeServer(
            SimulatedDriver(spec_at(20.0)), ring.server, ring.folder, "tcp://127.0.0.1:0", False
        ) as server:
            TableServer(server, 0)
            assert "bridge-table" in [thread.name for thread in threading.enumerate()]
        assert not [t.name for t in threading.enumerate() if t.name.startswith("bridge-")]
        assert server.context.closed


def test_only_the_commander_asks_the_table(tmp_path) -> None:
    from palme.cli.rig.tabletop import RemoteTable
    from robots.bridge.client import BridgeClient
    from robots.errors import LeaseMissing

    ring = KeyRing(tmp_path)
    with BridgeServer(
        SimulatedDriver(spec_at(20.0)), ring.server, ring.folder, "tcp://127.0.0.1:0", False
    ) as server:
        port = TableServer(server, 0).port
        with BridgeClient(server.address, ring.client(), ring.server.public, timeout=PATIENCE) as client:
            table = RemoteTable(client, port)
            with pytest.raises(LeaseMissing, match="only its commander"):
                table.hold(1)
            table.load(Scene((), ()), 2)
            assert table.truth().holder == () and client.read().latched == ""
            with BridgeClient(
                server.address, ring.client("rival"), ring.server.public, timeout=PATIENCE
            ) as rival:
                with pytest.raises(LeaseMissing):
                    RemoteTable(rival, port).truth()


def test_the_bench_of_the_bridge_measures_and_judges(tmp_path, capsys) -> None:
    """Short and slow: what is promised here is that nothing is lost, not how fast a busy machine is."""
    out = tmp_path / "figures.json"
    words = ["hz=100", "ack_seconds=0.5", "seconds=0.5", "silence_tries=2", "camera_hz=10", f"out={out}"]
    code = main(["bench", "bridge", *words])
    found, said = json.loads(out.read_text()), capsys.readouterr().out
    assert code in (0, 1) and (code == 1) == ("missed" in said)
    for name in ("stream_", "with_cameras_"):
        assert found[name + "commands"] == 50 and found[name + "lost"] == 0 and found[name + "in_order"]
        assert found[name + "acknowledged"] == found[name + "executed"]
    assert found["commands"] == 50 and found["lost"] == 0
    assert found["ack_ms_p50"] > 0 and found["echo_ms_p99"] >= found["echo_ms_p50"] > 0
    assert len(found["camera_hz_seen"]) == 2 and min(found["camera_hz_seen"]) > 0
    assert found["camera_pictures"] in ("raw", "jpeg") and found["silence_unnoticed"] == 0


def test_the_camera_client_ends_quietly_when_its_output_is_closed(tmp_path) -> None:
    with bench(tmp_path, cameras=("left",), size=(64, 48)) as made:
        made.ring.client("me")
        words = [str(tmp_path), made.server.address, "left", "30", "raw"]
        looker = subprocess.Popen(
            [sys.executable, "-m", "palme.cli.bench.cameras", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        try:
            assert looker.stdout is not None and looker.stdout.readline() == "seeing\n"
            looker.stdout.close()
            looker.send_signal(signal.SIGTERM)
            assert looker.wait(PATIENCE) == 0
            assert looker.stderr is not None and looker.stderr.read() == ""
        finally:
            looker.kill()
            looker.wait()


def test_the_bench_of_the_install_names_what_it_lacks(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    config = InstallConfig(starts=1, out=None)
    with pytest.raises(UsageError, match="pip could not install the base: .*setuptools"):
        bench_install.bench_install(config, lambda what, total: nullcontext(Mock()))
    monkeypatch.setattr(bench_install, "ROOT", tmp_path)
    with pytest.raises(UsageError, match="is no checkout"):
        bench_install.bench_install(config, lambda what, total: nullcontext(Mock()))
