"""The ASGI application: one page, the files it is made of, two sockets; the door stands before all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from palme.operator import sockets
from palme.operator.auth import Auth
from palme.operator.cameras import Encoder
from palme.operator.clients import Clients
from palme.operator.errors import RequestRefusedError

TYPES = {"css": "text/css", "js": "text/javascript"}
# Nothing but our own files, and pictures that stand in the sentence itself.
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",  # the token stands in the address
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def build_app(clients: Clients, door: Auth) -> ASGIApp:
    """Everything between a connection and the desk."""
    encoder, lookers = Encoder(), set[WebSocket]()

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        async with clients.watching():
            yield
        encoder.close()

    async def page(_: Request) -> Response:
        return HTMLResponse(page_files()["index.html"], headers=HEADERS)

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        kind = TYPES.get(name.rpartition(".")[2])
        if kind is None or name not in page_files():
            return Response("no such file\n", 404, HEADERS, "text/plain")
        return Response(page_files()[name], headers=HEADERS, media_type=kind)

    async def control(websocket: WebSocket) -> None:
        await sockets.control(websocket, clients)

    async def pictures(websocket: WebSocket) -> None:
        await sockets.pictures(websocket, clients, encoder, lookers)

    routes = [
        Route("/", page),
        Route("/files/{name}", file),
        WebSocketRoute("/control", control),
        WebSocketRoute("/pictures", pictures),
    ]
    return _AuthMiddleware(Starlette(routes=routes, lifespan=lifespan), door)


@cache
def page_files() -> dict[str, bytes]:
    """What the page is made of, by name: read once, so that no path is ever made from a request."""
    found = {
        part.name: part.read_bytes()
        for part in (files("palme.operator") / "page").iterdir()
        if part.name.endswith((".html", ".css", ".js"))
    }
    return found | {"report.css": (files("palme.report") / "style.css").read_bytes()}


class _AuthMiddleware:
    """Checks each request before the application sees it. The page's files hold no secret: no token."""

    def __init__(self, app: ASGIApp, door: Auth) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        try:
            self._door.check_host(headers)
            if scope["type"] == "websocket":
                self._door.check_origin(headers)
            if not scope["path"].startswith("/files/"):
                self._door.check_token(scope["query_string"])
        except RequestRefusedError as refused:
            if scope["type"] == "websocket":
                return await WebSocket(scope, receive, send).close()  # before it is accepted: 403
            return await _refusal(refused)(scope, receive, send)
        await self._app(scope, receive, send)


def _refusal(refused: RequestRefusedError) -> Response:
    page = page_files()["refused.html"].decode()
    body = page.replace("{title}", escape(refused.title)).replace("{reason}", escape(str(refused)))
    return HTMLResponse(body, refused.status, HEADERS)
