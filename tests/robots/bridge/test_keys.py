"""Nobody unknown gets in: keys, the allow-list, and sockets that fail closed."""

from __future__ import annotations

import stat

import pytest
import zmq

from robots.bridge import frames, keys, sockets
from robots.bridge.client import BridgeClient
from robots.bridge.errors import Insecure, KeyProblem
from robots.bridge.keys import AllowList
from robots.bridge.server import BridgeServer
from robots.bridge.wire import encode
from robots.drivers.ideal import IdealArm
from robots.errors import LinkDead
from robots.zmq_context import Context
from tests.bridge_rig import PATIENCE, Bench, KeyRing, bench, spec_at, until

SHORT = 0.3  # [s] that somebody who must not get in is given


@pytest.fixture
def served(tmp_path):
    with bench(tmp_path) as made:
        yield made


def knock(client_socket: zmq.Socket, address: str, answers: bool = False) -> None:
    """Send a hello and expect no answer (or, with `answers`, one)."""
    client_socket.setsockopt(zmq.LINGER, 0)
    client_socket.connect(address)
    client_socket.send(encode(frames.Hello(1, frames.VERSION, "stranger")), zmq.NOBLOCK)
    assert bool(client_socket.poll(1000 * (PATIENCE if answers else SHORT))) is answers


def test_a_private_key_is_readable_by_its_owner_alone(tmp_path) -> None:
    key = keys.new(tmp_path / "keys", "lab")
    path = tmp_path / "keys" / "lab.secret.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert keys.load_secret(tmp_path / "keys", "lab") == key
    assert key.secret not in repr(key) and key.secret not in str(key)
    assert key.secret not in (tmp_path / "keys" / "lab.public.json").read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666])
def test_a_private_key_that_others_can_read_is_not_used(tmp_path, mode: int) -> None:
    keys.new(tmp_path, "lab")
    (tmp_path / "lab.secret.json").chmod(mode)
    with pytest.raises(KeyProblem, match="others can read"):
        keys.load_secret(tmp_path, "lab")


def test_keys_are_never_replaced(tmp_path) -> None:
    keys.new(tmp_path, "lab")
    with pytest.raises(KeyProblem, match="never replaced"):
        keys.new(tmp_path, "lab")


@pytest.mark.parametrize("name", ["", "../lab", "a/b", ".hidden", "x" * 49, "a b", "\n"])
def test_a_name_cannot_leave_the_folder(tmp_path, name: str) -> None:
    with pytest.raises(KeyProblem):
        keys.new(tmp_path, name)
    with pytest.raises(KeyProblem):
        keys.allow(tmp_path, keys.PublicKey(name, "a" * 40), "policy")


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"name":"x","public":"short","role":"policy"}', '{"name":"x","public":"'
             + "a" * 40 + '","role":"king"}']
)  # fmt: skip
def test_an_entry_that_cannot_be_read_lets_nobody_in(tmp_path, text: str) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "x.json").write_text(text)
    assert not AllowList(tmp_path).keys()


def test_an_empty_allow_list_is_closed(tmp_path) -> None:
    assert AllowList(tmp_path).find("a" * 40) is None


def test_an_allowed_key_gets_in(served: Bench) -> None:
    assert served.client().role == "policy"


def test_an_unknown_key_does_not(served: Bench) -> None:
    with pytest.raises(LinkDead, match="is ours allowed"):
        served.client("stranger", role=None, patience=SHORT)


def test_a_key_taken_off_the_list_is_out_though_connected(served: Bench, monkeypatch) -> None:
    monkeypatch.setattr(keys, "RECHECK", 0.05)
    client = served.client()
    (served.ring.folder / "allowed" / "robo.json").unlink()

    def refused() -> bool:
        try:
            client.read()
        except Insecure:
            return True
        return False

    until(refused)


def test_the_hello_of_these_tests_is_answered_where_the_key_is_allowed(served: Bench) -> None:
    key = served.ring.client()
    with Context() as context, context.socket(zmq.DEALER) as known:
        known.curve_serverkey = served.ring.server.public.encode()
        known.curve_secretkey, known.curve_publickey = key.secret.encode(), key.public.encode()
        knock(known, served.server.address, answers=True)


def test_plaintext_beside_the_allow_list_is_not_answered(served: Bench) -> None:
    with Context() as context, context.socket(zmq.DEALER) as stranger:
        knock(stranger, served.server.address)
    assert not set(served.server.counts()) - {"late_tick"}


def test_the_plain_mechanism_is_not_answered(served: Bench) -> None:
    with Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.plain_username, stranger.plain_password = b"admin", b"admin"
        knock(stranger, served.server.address)
    assert not set(served.server.counts()) - {"late_tick"}


def test_a_key_that_is_removed_while_the_list_is_read_lets_nobody_in(tmp_path, monkeypatch) -> None:
    ring = KeyRing(tmp_path)
    ring.client("anna"), ring.client("robo")
    vanishing = type(tmp_path).stat

    def stat_of(path, **more):
        if path.name == "robo.json":
            path.unlink(missing_ok=True)
        return vanishing(path, **more)

    monkeypatch.setattr(type(tmp_path), "stat", stat_of)
    assert [key.name for key in AllowList(tmp_path).keys().values()] == ["anna"]


def test_where_the_list_cannot_be_read_nobody_gets_in_until_it_can(
    served: Bench, monkeypatch, caplog
) -> None:
    def broken(self):
        raise ValueError("of a disk")

    with monkeypatch.context() as patched:
        patched.setattr(AllowList, "keys", broken)
        with pytest.raises(LinkDead):
            served.client(patience=SHORT)
    assert "of a disk" in caplog.text and served.server._auth.is_alive()
    served.client().read()


def test_an_authenticator_whose_thread_has_broken_is_stopped_without_waiting(tmp_path) -> None:
    context = sockets.context()
    auth = sockets.Authenticator(context, AllowList(tmp_path))
    auth.pipe.send(b"TERMINATE")
    until(lambda: not auth.is_alive())
    auth.stop()
    auth.stop()
    context.destroy()


@pytest.mark.parametrize("name", ["robo", "stranger"])
def test_with_its_authenticator_stopped_the_server_lets_nobody_in(served: Bench, name: str) -> None:
    served.server._auth.stop()
    with pytest.raises(LinkDead):
        served.client(name, role="policy" if name == "robo" else None, patience=SHORT)


def test_without_enforcing_the_domain_a_stranger_would_get_in(tmp_path) -> None:
    """The trap itself, so that the tests above are known to be able to fail."""
    ring = KeyRing(tmp_path)
    key = ring.client("stranger", role=None)
    with Context() as context:
        with context.socket(zmq.ROUTER) as server, context.socket(zmq.DEALER) as stranger:
            server.curve_server = True
            server.curve_secretkey, server.curve_publickey = (
                ring.server.secret.encode(), ring.server.public.encode(),
            )  # fmt: skip
            port = server.bind_to_random_port("tcp://127.0.0.1")
            stranger.curve_serverkey = ring.server.public.encode()
            stranger.curve_secretkey, stranger.curve_publickey = key.secret.encode(), key.public.encode()
            stranger.connect(f"tcp://127.0.0.1:{port}")
            stranger.send(b"let me in")
            assert server.poll(5000)
            frame = server.recv_multipart(copy=False)[-1]
            with pytest.raises(Insecure, match="without an authenticated key"):  # and the second wall holds
                sockets.sender(frame)


def test_a_socket_without_curve_is_not_bound(tmp_path) -> None:
    ring = KeyRing(tmp_path)
    with Context() as context:
        with context.socket(zmq.ROUTER) as plain:
            with pytest.raises(Insecure, match="plaintext"):
                sockets.bind(plain, "127.0.0.1", 0, False)
        with sockets.server_socket(context, zmq.ROUTER, ring.server, 1000) as open_to_all:
            open_to_all.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 0)
            with pytest.raises(Insecure, match="any key"):
                sockets.bind(open_to_all, "127.0.0.1", 0, False)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "*", "10.0.0.1", "192.168.1.5", "[::]", "robot.lan", "127.evil.org"]
)
def test_binding_beyond_the_loopback_must_be_asked_for(tmp_path, host: str) -> None:
    ring = KeyRing(tmp_path)
    with pytest.raises(Insecure, match="beyond_loopback"):
        BridgeServer(IdealArm(spec_at(100.0)), ring.server, ring.folder, f"tcp://{host}:0")


def test_binding_beyond_the_loopback_works_when_asked_for(tmp_path) -> None:
    ring = KeyRing(tmp_path)
    arm = IdealArm(spec_at(100.0))
    with BridgeServer(arm, ring.server, ring.folder, "tcp://0.0.0.0:0", beyond_loopback=True) as server:
        with BridgeClient(f"tcp://127.0.0.1:{server.port}", ring.client(), ring.server.public) as client:
            assert client.role == "policy"


@pytest.mark.parametrize(
    "address", ["", "tcp://", "ipc:///tmp/x", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "x"]
)
def test_another_kind_of_address_is_refused(tmp_path, address: str) -> None:
    ring = KeyRing(tmp_path)
    with pytest.raises(Insecure, match="tcp://HOST:PORT"):
        BridgeServer(IdealArm(spec_at(100.0)), ring.server, ring.folder, address)


def test_a_server_with_another_key_is_not_talked_to(served: Bench) -> None:
    other = keys.new(served.ring.folder / "other", "server")
    with pytest.raises(LinkDead, match="is its key the right one"):
        BridgeClient(served.server.address, served.ring.client(), other.public, patience=SHORT)


def test_a_message_larger_than_allowed_ends_only_its_sender(served: Bench) -> None:
    good, bad = served.client(), served.client("other")
    ended = bad._connection.commands.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    bad._connection.commands.send(b"\x01" * (frames.MAX_COMMAND * 4))
    assert ended.poll(1000 * PATIENCE)  # its connection is closed at once
    bad._connection.commands.disable_monitor()
    assert good.read().at_rest
    assert set(served.server.counts()) <= {"late_tick"}  # a busy machine makes ticks late
