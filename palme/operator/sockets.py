"""The two sockets of a page, for control and for images, so that no image delays a stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Coroutine

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from palme.operator import messages
from palme.operator.cameras import JpegEncoder, framed
from palme.operator.clients import MAX_CONSOLES, STATUS_PERIOD, Client, Clients, encode, status_message
from palme.operator.errors import TooManyClientsError
from palme.operator.rate_limit import RateLimit

log = logging.getLogger(__name__)

RATE, BURST = 100.0, 200.0  # messages a second; a page that jogs sends about 40
REFUSAL_PERIOD = 0.5  # [s] between two replies to a repeated motion that is refused
IMAGE_PERIOD = 0.008  # [s] between two checks for new images
POLICY, FAILED, FULL = (
    1008,
    1011,
    1013,
)  # WebSocket close codes: protocol violation, internal error, try later


async def control(websocket: WebSocket, clients: Clients) -> None:
    """Serve the control socket; however it ends, the operator is told that the console disconnected."""
    await websocket.accept()
    try:
        client = clients.connect()
    except TooManyClientsError as full:
        await websocket.close(FULL, str(full))
        return
    clients.notify()

    async def receive() -> None:
        try:
            await _receive(websocket, clients, client)
        finally:
            clients.disconnect(client)  # here, so that disconnecting waits for no pending send

    try:
        await _both(websocket, receive(), _send_status(websocket, clients, client))
    finally:
        clients.disconnect(client)


async def _receive(websocket: WebSocket, clients: Clients, client: Client) -> None:
    refused, refused_at = "", 0.0
    async for text in _texts(websocket, RateLimit(RATE, BURST)):
        try:
            message = messages.read_control(text)
        except msgspec.DecodeError as error:
            await websocket.close(POLICY, f"invalid message: {error}"[:120])
            return
        client.received()
        match message:
            case messages.Heartbeat():
                continue
            case messages.Seen(n):
                client.unread = 0 if n >= client.unread else client.unread
                continue
            case messages.Ping(at):
                await websocket.send_text(encode({"pong": at, "t": time.monotonic()}))
                continue
        reply = messages.execute(message, clients.operator, client.name)
        moving = isinstance(message, messages.Jog | messages.Reach)
        if not moving:
            clients.notify()
        elif reply.done:
            continue
        now = time.monotonic()
        if moving and reply.message == refused and now - refused_at < REFUSAL_PERIOD:
            continue
        refused, refused_at = ("" if reply.done else reply.message), now
        do = type(message).__struct_config__.tag
        await websocket.send_text(encode({"reply": {"do": do, "done": reply.done, "message": reply.message}}))


async def _send_status(websocket: WebSocket, clients: Clients, client: Client) -> None:
    """Send the newest status, each once the page has read the previous one."""
    n, sentence = 0, None
    while True:
        if not client.unread:
            status = clients.status()
            if status.sentence != sentence:
                sentence = status.sentence
                await websocket.send_text(encode({"sentence": sentence}))
            n += 1
            client.unread = n
            await websocket.send_text(status_message(status, client, n, len(clients.connected)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STATUS_PERIOD):  # wait_for of 3.11 may swallow a cancellation
                await client.changed.wait()
        client.changed.clear()


async def images(
    websocket: WebSocket, clients: Clients, encoder: JpegEncoder, viewers: set[WebSocket]
) -> None:
    """Serve the image socket: at most one image of each camera is in flight, so a slow page gets fewer."""
    await websocket.accept()
    if len(viewers) >= MAX_CONSOLES:
        await websocket.close(FULL, f"{MAX_CONSOLES} consoles are connected; close one")
        return
    viewers.add(websocket)
    in_flight: dict[str, tuple[int, float]] = {}
    receive = _receive_shown(websocket, clients, in_flight)
    try:
        await _both(websocket, receive, _send_images(websocket, clients, encoder, in_flight))
    finally:
        viewers.discard(websocket)


async def _receive_shown(
    websocket: WebSocket, clients: Clients, in_flight: dict[str, tuple[int, float]]
) -> None:
    async for text in _texts(websocket, RateLimit(2 * RATE, 2 * BURST)):
        try:
            shown = messages.read_shown(text)
        except msgspec.DecodeError as error:
            await websocket.close(POLICY, f"invalid message: {error}"[:120])
            return
        n, t_mono = in_flight.get(shown.camera, (-1, 0.0))
        if n == shown.n:
            del in_flight[shown.camera]
            clients.ages.append((shown.camera, time.monotonic() - t_mono))


async def _send_images(
    websocket: WebSocket, clients: Clients, encoder: JpegEncoder, in_flight: dict[str, tuple[int, float]]
) -> None:
    n, last = 0, dict[str, float]()
    while True:
        for camera in clients.status().cameras:
            if camera in in_flight:
                continue
            picture = clients.operator.picture(camera)
            if picture is None or picture.t_mono == last.get(camera):
                continue
            data = await encoder.encode(camera, picture)
            n += 1
            in_flight[camera], last[camera] = (n, picture.t_mono), picture.t_mono
            await websocket.send_bytes(framed(camera, n, picture, data))
        await asyncio.sleep(IMAGE_PERIOD)


async def _texts(websocket: WebSocket, limit: RateLimit) -> AsyncIterator[str]:
    """Text messages until the socket closes; binary messages, or too many, close it."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        if text is None or not limit.take():
            reason = "only text is accepted" if text is None else f"more than {RATE:g} messages a second"
            await websocket.close(POLICY, reason)
            return
        yield text


async def _both(websocket: WebSocket, *coroutines: Coroutine[None, None, None]) -> None:
    """Run both until one ends, then cancel the other."""
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=1.0)
    for error in [task.exception() for task in tasks if task.done() and not task.cancelled()]:
        if error is not None and not isinstance(error, WebSocketDisconnect | OSError):  # the page closed
            log.error("a console's socket failed", exc_info=error)
            with contextlib.suppress(Exception):
                await websocket.close(FAILED, "internal error of the run: see its log")
