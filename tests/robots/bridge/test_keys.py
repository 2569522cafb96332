"""Nobody unknown gets in: keys, the allow-list, and sockets that fail closed."""

from __future__ import annotations

import socket
import stat
import zlib

import msgspec
import pytest
import zmq

from robots.bridge import frames, keys, sockets
from robots.bridge.client import BridgeClient
from robots.bridge.errors import Insecure, KeyProblem
from robots.bridge.keys import AllowList
from robots.bridge.server import BridgeServer
from robots.bridge.wire import decode_answer, encode
from robots.drivers.ideal import IdealArm
from robots.errors import LinkDead
from robots.policy_servers.address import parse as policy_address
from robots.policy_servers.errors import AddressRefused
from robots.types import JointCommand
from robots.zmq_context import Context
from tests.bridge_rig import PATIENCE, Bench, KeyRing, bench, free_ports, spec_at, until

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


# -- what others can write to, and what is listed twice -------------------------------------------------

WRITABLE = [0o777, 0o775, 0o722, 0o720, 0o702, 0o1777, 0o773]


@pytest.mark.parametrize("mode", WRITABLE)
@pytest.mark.parametrize("which", ["allowed", ""])
def test_a_folder_that_others_can_write_to_lets_nobody_in(tmp_path, mode: int, which: str) -> None:
    ring = KeyRing(tmp_path / "keys")
    key = ring.client()
    listed = AllowList(ring.folder)
    assert listed.find(key.public) is not None
    (ring.folder / which).chmod(mode)
    safe = not which and bool(mode & stat.S_ISVTX)  # as /tmp: nobody replaces the folder of another there
    assert bool(AllowList(ring.folder).keys()) is safe
    assert bool(listed.keys()) is safe  # and a server that runs sees it too
    if safe:
        return
    assert f"mode {mode:04o}" in listed.broken()[0] and "chmod go-w" in listed.broken()[0]
    with pytest.raises(KeyProblem, match="others can write.*chmod go-w"):
        keys.allow(ring.folder, keys.PublicKey("me", key.public), "policy")
    with pytest.raises(KeyProblem, match="others can write"):
        BridgeServer(IdealArm(spec_at(100.0)), ring.server, ring.folder, "tcp://127.0.0.1:0")
    if not which:
        with pytest.raises(KeyProblem, match="others can write"):
            keys.load_secret(ring.folder, "server")
    (ring.folder / which).chmod(0o700)
    assert listed.keys() and not listed.broken()


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o622, 0o646, 0o660])
def test_an_entry_that_others_can_write_to_lets_nobody_in(tmp_path, mode: int) -> None:
    ring = KeyRing(tmp_path)
    ring.client("anna"), ring.client("robo")
    listed = AllowList(tmp_path)
    assert len(listed.keys()) == 2
    (tmp_path / "allowed" / "robo.json").chmod(mode)
    assert [key.name for key in listed.keys().values()] == ["anna"]
    assert "robo.json" in listed.broken()[0] and "change its key or role" in listed.broken()[0]


def test_entries_are_written_for_their_owner_alone_whatever_the_umask(tmp_path) -> None:
    import os

    before = os.umask(0)
    try:
        ring = KeyRing(tmp_path / "keys")
        key = ring.client()
    finally:
        os.umask(before)
    assert AllowList(ring.folder).find(key.public) is not None and not AllowList(ring.folder).broken()


@pytest.mark.parametrize("first", keys.ROLES)
@pytest.mark.parametrize("second", keys.ROLES)
def test_a_key_that_two_files_list_gets_neither_role(tmp_path, first: str, second: str) -> None:
    ring = KeyRing(tmp_path)
    other, twice = ring.client("other"), ring.client("twice", role=None)
    for name, role in (("a", first), ("b", second)):
        entry = keys.AllowedKey(name, twice.public, role)
        (tmp_path / "allowed" / f"{name}.json").write_bytes(msgspec.json.encode(entry))
    listed = AllowList(tmp_path)
    assert listed.find(twice.public) is None and listed.find(other.public) is not None
    (problem,) = listed.broken()
    for words in ("a.json", "b.json", f"as {first}", f"as {second}", "the same key", "remove all but one"):
        assert words in problem
    (tmp_path / "allowed" / "a.json").unlink()
    assert listed.keys()[twice.public].role == second and not listed.broken()


def test_two_keys_of_one_name_get_neither_role(tmp_path) -> None:
    ring = KeyRing(tmp_path)
    for k in range(3):
        entry = keys.AllowedKey("me", ring.client(f"c{k}", role=None).public, "policy")
        (tmp_path / "allowed").mkdir(exist_ok=True)
        (tmp_path / "allowed" / f"me{k}.json").write_bytes(msgspec.json.encode(entry))
    listed = AllowList(tmp_path)
    assert not listed.keys() and "the same name" in listed.broken()[0]


def test_a_second_entry_of_a_key_or_a_name_is_not_made(tmp_path) -> None:
    ring = KeyRing(tmp_path)
    me, other = ring.client("me"), ring.client("other", role=None)
    with pytest.raises(KeyProblem, match=r"me\.json lists this key already, as policy"):
        keys.allow(tmp_path, keys.PublicKey("again", me.public), "human")
    with pytest.raises(KeyProblem, match=r"me\.json lists the name of another key already"):
        keys.allow(tmp_path, keys.PublicKey("me", other.public), "human")
    assert keys.allow(tmp_path, keys.PublicKey("me", me.public), "viewer").role == "viewer"  # another role
    assert AllowList(tmp_path).keys()[me.public].role == "viewer"


@pytest.mark.parametrize("field", ["role", "name", "public"])
def test_a_field_that_a_file_holds_twice_is_refused_with_its_lines(tmp_path, field: str) -> None:
    key = KeyRing(tmp_path).client("me", role=None)
    values = {"name": "me", "public": key.public, "role": "viewer"}
    stronger = {"name": "me2", "public": "b" * 40, "role": "human"}
    for order in (1, -1):
        lines = [f'  "{name}": "{value}"' for name, value in values.items()]
        lines.insert(0 if order == 1 else 3, f'  "{field}": "{stronger[field]}"')
        (tmp_path / "allowed").mkdir(exist_ok=True)
        path = tmp_path / "allowed" / "me.json"
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        listed = AllowList(tmp_path)
        assert not listed.keys()
        at = [k + 1 for k, line in enumerate(path.read_text().splitlines()) if f'"{field}"' in line]
        assert f"{field!r} is given more than once, on lines {at[0]} and {at[1]}" in listed.broken()[0]


# -- IPv6 ------------------------------------------------------------------------------------------------


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this computer has no IPv6 loopback")


@ipv6
@pytest.mark.parametrize("scheme", ["tcp://", ""])
def test_the_whole_bridge_works_over_ipv6(tmp_path, scheme: str) -> None:
    ring = KeyRing(tmp_path)
    arm = IdealArm(spec_at(100.0), cameras=("front",))
    with BridgeServer(arm, ring.server, ring.folder, f"{scheme}[::1]:{free_ports()}") as server:
        assert server.address.startswith("tcp://[::1]:")
        address = f"{scheme}[::1]:{server.port}"
        key = ring.client()
        with BridgeClient(address, key, ring.server.public, timeout=PATIENCE, patience=PATIENCE) as client:
            client.rearm()
            q = client.observe(("front",)).robot.q  # the picture socket
            assert client.command(JointCommand(q, 1.0, 0, 0.0)).seq == 0
            until(lambda: client.heartbeat.state_time() > 0)  # the state socket
        with pytest.raises(LinkDead):  # CURVE as over IPv4
            BridgeClient(address, ring.client("stranger", role=None), ring.server.public, patience=SHORT)


@ipv6
def test_an_address_of_ipv4_and_one_of_ipv6_are_two(tmp_path) -> None:
    ring = KeyRing(tmp_path)
    with BridgeServer(IdealArm(spec_at(100.0)), ring.server, ring.folder, "tcp://[::1]:0") as server:
        with pytest.raises(LinkDead):
            BridgeClient(f"tcp://127.0.0.1:{server.port}", ring.client(), ring.server.public, patience=SHORT)
        taken = f"tcp://[::1]:{server.port}"
        with pytest.raises(Insecure, match=r"tcp://\[::1\].*another server may be running"):
            BridgeServer(IdealArm(spec_at(100.0)), ring.server, ring.folder, taken)


@pytest.mark.parametrize(
    "host", ["[::]", "[2001:db8::1]", "[fe80::1]", "[fe80::1%eth0]", "[::ffff:10.0.0.1]"]
)
def test_an_ipv6_address_that_others_reach_must_be_asked_for(tmp_path, host: str) -> None:
    ring = KeyRing(tmp_path)
    with pytest.raises(Insecure, match="beyond_loopback"):
        BridgeServer(IdealArm(spec_at(100.0)), ring.server, ring.folder, f"tcp://{host}:0")


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("tcp://127.0.0.1:5560", "127.0.0.1", 5560),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("tcp://localhost:1", "127.0.0.1", 1),
        ("tcp://[::1]:5560", "::1", 5560),
        ("[::1]:5560", "::1", 5560),
        ("tcp://[0:0:0:0:0:0:0:1]:1", "::1", 1),
        ("[::]:1", "::", 1),
        ("tcp://[FE80::1%eth0]:1", "fe80::1%eth0", 1),
        ("tcp://robot.lab:1", "robot.lab", 1),
        ("tcp://*:1", "*", 1),
        ("tcp://arm_1:1", "arm_1", 1),
        ("[::ffff:127.0.0.1]:1", "::ffff:7f00:1", 1),
    ],
)
def test_an_address_is_read_as_its_host_and_port(address: str, host: str, port: int) -> None:
    assert sockets.parse(address) == (host, port)
    if host != "*":
        assert policy_address(address) == (host, port)


@pytest.mark.parametrize(
    "address",
    [
        "tcp://::1:5560",
        "::1:5560",
        "tcp://[::1]",
        "[::1]",
        "[::1]:",
        "tcp://[::1:5560",
        "tcp://::1]:5560",
        "[::g]:1",
        "[]:1",
        "[127.0.0.1]:1",
        "[localhost]:1",
        "[[::1]]:1",
        "[::1]:65533",
        "[::1]:-1",
        "[::1]:1x",
        "[::1]:٣",
        "[::1%]:1",
        "[::1] :1",
        " [::1]:1",
        "[::1]:1\n",
        "256.1.1.1:1",
        "1.2.3:1",
        "127.1:1",
        "a b:1",
        "a:b:1",
        ":1",
        "http://127.0.0.1:1",
        "tcp://tcp://a:1",
        "tcp:/a:1",
        "-a:1",
        "a-:1",
        "*.lab:1",
        "ä:1",
        None,
        7,
    ],
)
def test_a_malformed_address_is_refused_in_plain_words(address) -> None:
    with pytest.raises(Insecure, match=r"expected tcp://HOST:PORT, as in .*\[::1\]"):
        sockets.parse(address)
    if address != "[::1]:65533":  # the bridge needs the three ports after it
        with pytest.raises(AddressRefused, match=r"is not host:port, such as .*\[::1\]"):
            policy_address(address)


# -- frames as large as documented -----------------------------------------------------------------------


def test_a_frame_of_exactly_the_documented_size_is_answered_and_a_larger_one_by_name(served: Bench) -> None:
    client = served.client()
    for size in (
        *range(frames.MAX_COMMAND - 40, frames.MAX_COMMAND + 41),
        1000,
        65_000,
        frames.MAX_COMMAND + 900,
    ):
        body = bytes([frames.VERSION]) + b"\x91" * (size - 5)
        client._connection.commands.send(body + zlib.crc32(body).to_bytes(4, "little"))
        assert client._connection.commands.poll(1000 * PATIENCE), size
        answer = decode_answer(client._connection.commands.recv())
        assert answer.name == ("FrameTooLarge" if size > frames.MAX_COMMAND else "BadFrame"), size
    assert client.read().at_rest  # on the same connection
