"""A model behind an endpoint: what it writes is a program or nothing is done, and little is sent anywhere."""

import json
import math
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from palme.language.programs.parser import parse
from palme.planners.program.endpoint import KEY, BadEndpoint, Endpoint, EndpointReader
from palme.planners.program.reader import NotRead


class Server:
    """An endpoint that answers as told."""

    def __init__(self) -> None:
        self.status, self.body, self.headers, self.asked = 200, b"", {}, []  # type: ignore[var-annotated]
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                outer.asked.append((self.path, dict(self.headers), json.loads(self.rfile.read(length))))
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.body)

            def do_GET(self) -> None:
                outer.asked.append((self.path, {}, {}))

            def log_message(self, *_: object) -> None:
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def says(self, text: object) -> None:
        self.body = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.mark.parametrize("answer", ["put(red block, in blue bowl)", " Count ( all block ) \n", "nothing()"])
def test_a_program_is_read(server: Server, answer: str) -> None:
    server.says(answer)
    reading = EndpointReader(Endpoint(server.url, "tiny")).read("put  the red\nblock in the blue bowl")
    assert reading.program == parse(answer)
    assert math.isnan(reading.probability)  # so that it passes no threshold
    [(path, _, asked)] = server.asked
    assert path == "/v1/chat/completions" and asked["model"] == "tiny" and asked["temperature"] == 0
    assert asked["messages"][-1] == {"role": "user", "content": "put the red block in the blue bowl"}
    assert [m["role"] for m in asked["messages"][:3]] == ["system", "user", "assistant"]


@pytest.mark.parametrize(
    "answer",
    ["", "Sure! put(red block, in blue bowl)", "```\nnothing()\n```", "pour_into(red block)",
     "put(red block", "__import__('os')", "put(red block, in blue bowl); hit(cat)"],
)  # fmt: skip
def test_whatever_else_is_written_is_not_done(server: Server, answer: str) -> None:
    server.says(answer)
    with pytest.raises(NotRead, match="do not understand"):
        EndpointReader(Endpoint(server.url, "tiny")).read("put the red block in the blue bowl")


def _an_error(server: Server) -> None:
    server.status, server.body = 500, b"no"


def _no_json(server: Server) -> None:
    server.body = b"<html>"


def _nested(server: Server) -> None:
    server.body = b"[" * 50_000


def _another_shape(server: Server) -> None:
    server.body = b'{"choices": []}'


def _no_text(server: Server) -> None:
    server.says(None)


def _too_long(server: Server) -> None:
    server.says("x" * 100_000)


def _elsewhere(server: Server) -> None:
    server.status, server.headers = 302, {"Location": f"{server.url}/other"}


@pytest.mark.parametrize(
    "spoil", [_an_error, _no_json, _nested, _another_shape, _no_text, _too_long, _elsewhere]
)
def test_an_answer_that_is_none_says_so(server: Server, spoil: Callable[[Server], None]) -> None:
    spoil(server)
    with pytest.raises(NotRead, match="127.0.0.1"):
        EndpointReader(Endpoint(server.url, "tiny")).read("put the red block in the blue bowl")
    assert len(server.asked) == 1  # nothing went elsewhere


def test_nobody_there_says_so() -> None:
    with pytest.raises(NotRead, match="is it running"):
        EndpointReader(Endpoint("http://127.0.0.1:9/v1", "tiny", timeout=2.0)).read("put it there")


def test_a_sentence_without_end_is_not_sent(server: Server) -> None:
    with pytest.raises(NotRead, match="2000"):
        EndpointReader(Endpoint(server.url, "tiny")).read("put " * 1000)
    assert not server.asked


def test_the_key_comes_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.says("nothing()")
    reader = EndpointReader(Endpoint(server.url, "tiny"))
    monkeypatch.delenv(KEY, raising=False)
    reader.read("never mind")
    monkeypatch.setenv(KEY, "a-key")
    reader.read("never mind")
    sent = [headers.get("Authorization") for _, headers, _ in server.asked]
    assert sent == [None, "Bearer a-key"]


@pytest.mark.parametrize(
    "url",
    ["http://example.com/v1", "http://192.168.1.4:8000/v1", "ftp://127.0.0.1/v1", "file:///etc/hostname", "",
     "127.0.0.1:8000", "https://me:word@example.com/v1", "https://example.com/v1?a=b", "http://127.0.0.1:x/v1"],
)  # fmt: skip
def test_addresses_that_nothing_is_sent_to(url: str) -> None:
    with pytest.raises(BadEndpoint):
        Endpoint(url, "tiny")


@pytest.mark.parametrize(
    "url", ["https://example.com/v1", "http://localhost:8000/v1", "http://[::1]:8000/v1"]
)
def test_addresses_that_are_allowed(url: str) -> None:
    assert Endpoint(url, "tiny").url == url
