"""Who is let in: which host, whose page, which token."""

from __future__ import annotations

import http.client
import logging
import socket
import subprocess
import sys

import pytest

from palme.operator import auth as auth_module
from palme.operator.__main__ import main as rehearse
from palme.operator.auth import Auth, new_token
from palme.operator.errors import (
    AddressError,
    ConsoleError,
    MissingTokenError,
    WeakTokenError,
    WrongHostError,
    WrongOriginError,
    WrongTokenError,
)
from tests.console_fakes import FakeOperator, opened

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
InvalidStatus = pytest.importorskip("websockets.exceptions").InvalidStatus

from palme.operator.server import serve  # noqa: E402


@pytest.fixture(scope="module")
def console():
    with serve(FakeOperator(), announce=lambda _: None) as console:
        yield console


def get(console, path, host=None):
    line = http.client.HTTPConnection("127.0.0.1", console.port, timeout=5)
    line.request("GET", path, headers={"Host": host} if host else {})
    answer = line.getresponse()
    body = answer.read().decode()
    line.close()
    return answer, body


def test_the_address_opens_the_page(console):
    answer, body = get(console, console.address.partition(str(console.port))[2])
    assert answer.status == 200 and "<title>palme · console</title>" in body
    assert console.address.startswith("http://127.0.0.1:") and len(console.token) >= 22
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert (
        answer.headers["referrer-policy"] == "no-referrer" and answer.headers["cache-control"] == "no-store"
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", "Missing token"),
        ("/?token=", "Missing token"),
        ("/?token=wrong", "Wrong token"),
        ("/?token=" + "x" * 4000, "Wrong token"),
        ("/?token=%00%ff", "Wrong token"),
        ("/control", "Missing token"),
        ("/somewhere", "Missing token"),
    ],
)
def test_without_the_token_a_page_says_what_to_do(console, path, words):
    answer, body = get(console, path)
    assert answer.status == 401
    assert words in body.replace("&#x27;", "'") and "prints its address in the terminal" in body
    assert console.token not in body


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "10.0.0.1", "127.0.0.1.evil.example", "["]
)
def test_a_rebound_name_is_turned_away_with_the_right_token(console, host):
    answer, body = get(console, f"/?token={console.token}", host)
    assert answer.status == 421 and "does not answer to" in body


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "127.0.0.1:9000", "[::1]:9000"])
def test_loopback_names_are_ours_at_any_port_of_a_tunnel(console, host):
    assert get(console, f"/?token={console.token}", host)[0].status == 200


@pytest.mark.parametrize("path", ["/control", "/pictures"])
@pytest.mark.parametrize(
    "other",
    [
        {"token": None},
        {"token": "wrong"},
        {"origin": None},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://evil.example", "host": "evil.example"},
    ],
)
def test_a_socket_is_for_our_own_page_with_the_token_alone(console, path, other):
    with pytest.raises(InvalidStatus) as refused, opened(console, path, **other):
        pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    "name", ["../operator.py", "..%2fdesk.py", "%2e%2e/server.py", "index.html", "none.js", ""]
)
def test_no_other_file_is_given(console, name):
    assert get(console, f"/files/{name}?token={console.token}")[0].status == 404


def test_the_token_is_compared_in_constant_time(monkeypatch):
    compared = []
    monkeypatch.setattr(auth_module.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    auth = Auth("127.0.0.1", "0123456789abcdef")
    auth.check_token(b"token=0123456789abcdef")
    with pytest.raises(WrongTokenError):
        auth.check_token(b"token=0123456789abcdeX")
    assert len(compared) == 2
    for query in (b"", b"token", b"token=a&token=0123456789abcdef"):
        with pytest.raises(MissingTokenError):
            auth.check_token(query)


def test_beyond_the_loopback_addresses_are_ours_and_foreign_names_are_not():
    auth = Auth("0.0.0.0", new_token(), names=("lab-arm.example",))
    for host in ("192.168.1.7:8000", "lab-arm.example", "localhost:1", socket.gethostname()):
        auth.check_host({"host": host})
        auth.check_origin({"host": host, "origin": f"http://{host}"})
    for host in ("evil.example", "192.168.1.7.evil.example", ""):
        with pytest.raises(WrongHostError):
            auth.check_host({"host": host})
    with pytest.raises(WrongOriginError):
        auth.check_origin({"host": "192.168.1.7", "origin": "http://192.168.1.8"})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", ""])
def test_an_address_beyond_the_loopback_is_asked_for_by_name(host):
    with pytest.raises(AddressError, match="beyond_loopback"):
        serve(FakeOperator(), host=host)


@pytest.mark.parametrize("token", ["short", "0123456789abcde/", "0123456789abcdef ", "x" * 129])
def test_a_token_that_could_be_guessed_is_refused(token):
    with pytest.raises(WeakTokenError, match="16 to 128"):
        serve(FakeOperator(), token=token)


def test_a_taken_port_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressError, match=f"127.0.0.1:{port}"):
            serve(FakeOperator(), port=port)


@pytest.mark.parametrize("port", [-1, 65536, 999_999])
def test_a_port_that_is_none_is_said_with_its_limits(port):
    with pytest.raises(AddressError, match=f"port {port} outside 0 to 65535"):
        serve(FakeOperator(), port=port)


def test_a_host_name_that_is_none_is_said():
    with pytest.raises(AddressError, match=r"cannot listen at no\.\.name:0"):
        serve(FakeOperator(), host="no..name", beyond_loopback=True)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("port=abc", "port=abc: expected a number from 0 to 65535"),
        ("port=-1", "port=-1: expected a number from 0 to 65535"),
        ("port=65536", "port 65536 outside 0 to 65535"),
        ("host=0.0.0.0", "'0.0.0.0' can be reached by other computers"),
        ("beyond_loopback=perhaps", "expected true or false"),
        ("token=short", "16 to 128"),
        ("prot=1", "unknown setting 'prot=1'; known are port=, host="),
        ("hello", "unknown setting 'hello'; known are port=, host="),
    ],
)
def test_a_rehearsal_says_in_a_line_what_it_does_not_understand(word, said, capsys):
    assert rehearse([word]) == 2
    error = capsys.readouterr().err
    assert error.startswith("palme.operator: ") and said in error and error.count("\n") == 1


def test_a_rehearsal_tells_what_it_takes(capsys):
    assert rehearse(["--help"]) == 0
    assert "port=0" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["port={}", "{}"])
def test_a_rehearsal_opens_at_the_port_it_was_told(form):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "palme.operator", form.format(port), "token=0123456789abcdef"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
        finally:
            process.kill()
    assert line == f"console: http://127.0.0.1:{port}/?token=0123456789abcdef\n"


def test_what_is_missing_is_said_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConsoleError, match=r"no uvicorn: pip install 'palme-stack\[teleop\]'"):
        serve(FakeOperator())


def test_silence_is_a_time():
    with pytest.raises(ConsoleError, match="more than 0"):
        serve(FakeOperator(), timeout=float("nan"))


def test_the_token_is_told_once_and_never_logged(caplog):
    told = []
    caplog.set_level(logging.DEBUG)
    with serve(FakeOperator(), token="a-token-of-my-own", announce=told.append) as console:
        get(console, "/?token=a-token-of-my-own")
        with opened(console) as page:
            page.receive("status")
    assert told == [f"console: http://127.0.0.1:{console.port}/?token=a-token-of-my-own"]
    ours = [record for record in caplog.records if record.name != "websockets.client"]
    assert ours and not any("a-token-of-my-own" in record.getMessage() for record in ours)
