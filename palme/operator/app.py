"""The ASGI application: one page, its files and two sockets, behind authentication."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from html import escape
from importlib.resources import files

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from palme.operator import sockets
from palme.operator.auth import Auth
from palme.operator.cameras import JpegEncoder
from palme.operator.clients import Clients
from palme.operator.errors import RequestRefusedError

TYPES = {"css": "text/css", "js": "text/javascript"}
# Only our own files, and images embedded in the sentence.
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",  # the address contains the token
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def build_app(clients: Clients, auth: Auth) -> ASGIApp:
    """The application: serves `clients`, after `auth` has admitted the request."""
    encoder, viewers = JpegEncoder(), set[WebSocket]()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with clients.checking():
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

    async def images(websocket: WebSocket) -> None:
        await sockets.images(websocket, clients, encoder, viewers)

    routes = [
        Route("/", page),
        Route("/files/{name}", file),
        WebSocketRoute("/control", control),
        WebSocketRoute("/images", images),
    ]
    return _AuthMiddleware(Starlette(routes=routes, lifespan=lifespan), auth)


@cache
def page_files() -> dict[str, bytes]:
    """The page's files by name, read once, so that no path is made from a request."""
    found = {
        part.name: part.read_bytes()
        for part in (files("palme.operator") / "page").iterdir()
        if part.name.endswith((".html", ".css", ".js"))
    }
    return found | {"report.css": (files("palme.report") / "style.css").read_bytes()}


class _AuthMiddleware:
    """Admits or refuses each request; the page's files hold no secret and need no token."""

    def __init__(self, app: ASGIApp, auth: Auth) -> None:
        self._app, self._auth = app, auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        try:
            self._auth.check_host(headers)
            if scope["type"] == "websocket":
                self._auth.check_origin(headers)
            if not scope["path"].startswith("/files/"):
                self._auth.check_token(scope["query_string"])
        except RequestRefusedError as refused:
            if scope["type"] == "websocket":
                return await WebSocket(
                    scope, receive, send
                ).close()  # before it is accepted: the browser sees 403
            return await _refusal(refused)(scope, receive, send)
        await self._app(scope, receive, send)


def _refusal(refused: RequestRefusedError) -> Response:
    page = page_files()["refused.html"].decode()
    body = page.replace("{title}", escape(refused.title)).replace("{reason}", escape(str(refused)))
    return HTMLResponse(body, refused.status, HEADERS)
