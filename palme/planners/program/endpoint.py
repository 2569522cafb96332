"""A reader behind an OpenAI-compatible endpoint: `transformers serve`, vLLM, llama.cpp, a hosted model.

The examples stand in the conversation, and the answer is parsed as strictly as any program: where it is
something else, nothing is done. Such an endpoint gives no grammar and no probabilities.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import math
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from palme.language.programs.parser import BadProgram, parse
from palme.planners.program.in_context import examples
from palme.planners.program.reader import NotRead, Reading

KEY = "PALME_ENDPOINT_KEY"
"""The environment variable that holds the key; it is read nowhere else, and never shown."""
MAX_LETTERS = 2_000
"""Longest sentence that is sent."""
MAX_ANSWER = 1 << 16
"""Longest answer in [bytes] that is read."""
MAX_TOKENS = 256
SYSTEM = "Write the program that the sentence asks for, as in the examples, and nothing else."


class BadEndpoint(ValueError):
    """An address that nothing is sent to; says why, and what is allowed."""


class EndpointFailed(Exception):
    """No usable answer came; says from where, and what came instead."""


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers.

    Attributes:
        url: of the API's root, such as "http://127.0.0.1:8000/v1".
        model: its name there.
        timeout: [s] for an answer.

    Raises:
        BadEndpoint: it is no http or https address, holds a password, or is http beyond this machine, where
            anybody on the network could read sentences and key.
    """

    url: str
    model: str
    timeout: float = 20.0

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            host = parts.hostname
            _ = parts.port  # raises for a wrong one
        except ValueError as error:
            raise BadEndpoint(f"endpoint {self.url!r}: no address ({error})") from error
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
            raise BadEndpoint(f"endpoint {self.url!r}: an address like http://127.0.0.1:8000/v1 is expected")
        if parts.username is not None or parts.password is not None:
            raise BadEndpoint(
                f"endpoint at {host}: no password belongs in an address; put the key into ${KEY}"
            )
        if parts.scheme == "http" and not _is_this_machine(host):
            raise BadEndpoint(f"endpoint {self.url!r}: http is allowed on this machine alone; use https")
        if not 0 < self.timeout <= 600:
            raise BadEndpoint(f"timeout {self.timeout} s for an endpoint; more than 0 and at most 600")

    def answer(self, messages: list[dict[str, str]]) -> str:
        """What the model says after `messages` (`role`, `content`).

        Raises:
            EndpointFailed: no answer in time, an error, or no chat completion.
        """
        body = {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": MAX_TOKENS}
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(
            f"{self.url.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers, method="POST"
        )
        try:
            with self._opener().open(request, timeout=self.timeout) as response:
                raw = response.read(MAX_ANSWER + 1)
        except urllib.error.HTTPError as error:
            error.close()
            raise EndpointFailed(f"{self.url} answered with {error.code} {error.reason}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = getattr(error, "reason", None) or error
            raise EndpointFailed(f"{self.url} does not answer ({why}); is it running?") from error
        if len(raw) > MAX_ANSWER:
            raise EndpointFailed(f"{self.url} answered with more than {MAX_ANSWER} bytes")
        return self._content(raw)

    def _opener(self) -> urllib.request.OpenerDirector:
        near = _is_this_machine(urlsplit(self.url).hostname or "")
        proxies = urllib.request.ProxyHandler({} if near else None)  # None = those of the environment
        return urllib.request.build_opener(_NoRedirect, proxies)

    def _content(self, raw: bytes) -> str:
        try:
            content: Any = json.loads(raw)["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
            raise EndpointFailed(f"{self.url} answered with no chat completion") from error
        if not isinstance(content, str):
            raise EndpointFailed(f"{self.url} answered with {type(content).__name__} in place of text")
        return content


class EndpointReader:
    """A `Reader`.

    Args:
        endpoint: where the model answers.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._before = [{"role": "system", "content": SYSTEM}]
        for one in examples():
            self._before += [
                {"role": "user", "content": one.say},
                {"role": "assistant", "content": one.program.text},
            ]

    def read(self, sentence: str) -> Reading:
        """See `Reader`; the probability is not known (nan).

        Raises:
            NotRead: the answer is no program, or none came; the message says which.
        """
        began = time.perf_counter()
        said = " ".join(sentence.split())
        if len(said) > MAX_LETTERS:
            raise NotRead(
                f"the sentence has {len(said)} letters, and at most {MAX_LETTERS} are sent; say it shorter"
            )
        try:
            answer = self._endpoint.answer([*self._before, {"role": "user", "content": said}])
        except EndpointFailed as error:
            raise NotRead(f"I cannot read {sentence!r} now: {error}") from error
        try:
            program = parse(answer)
        except BadProgram as error:
            raise NotRead(
                f"I do not understand {sentence!r}; please say it in other words. "
                f"({self._endpoint.model} wrote no program: {error})"
            ) from error
        return Reading(sentence, program, math.nan, (math.nan, ""), time.perf_counter() - began)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None  # elsewhere is not what was allowed; urllib raises HTTPError


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
