"""The two sockets of a page: one for words, one for pictures, so that no picture delays a stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from palme.operator import messages as wishes
from palme.operator.cameras import Encoder, framed
from palme.operator.clients import (
    MAX_CONSOLES,
    STATUS_PERIOD,
    Clients,
    Seat,
    TooManyClientsError,
    encode,
    status_message,
)
from palme.operator.rate_limit import RateLimit

log = logging.getLogger(__name__)

RATE, BURST = 100.0, 200.0  # messages a second; a page that jogs sends about 40
SAME_REFUSAL = 0.5  # [s] a held key is refused 25 times a second, and told twice
LOOK_PERIOD = 0.008  # [s] how often the desk is asked for a newer picture
POLICY, FAILED, FULL = 1008, 1011, 1013  # close codes: broke a rule; failed here; come again later


async def control(websocket: WebSocket, clients: Clients) -> None:
    """Words: wishes come in, status goes out. When it ends, however it ends, the desk hears that it left."""
    await websocket.accept()
    try:
        seat = clients.sit()
    except TooManyClientsError as full:
        await websocket.close(FULL, str(full))
        return
    clients.changed()

    async def listen() -> None:
        try:
            await _hear(websocket, clients, seat)
        finally:
            clients.give_up(seat)  # here, so that leaving waits for nothing that is still being told

    try:
        await _either(websocket, listen(), _tell(websocket, clients, seat))
    finally:
        clients.give_up(seat)


async def _hear(websocket: WebSocket, clients: Clients, seat: Seat) -> None:
    budget, refused, refused_at = RateLimit(RATE, BURST), "", 0.0
    async for text in _texts(websocket, budget):
        try:
            wish = wishes.read_control(text)
        except msgspec.DecodeError as error:
            await websocket.close(POLICY, f"not understood: {error}"[:120])
            return
        seat.hear()
        match wish:
            case wishes.Beat():
                continue
            case wishes.Seen(n):
                seat.unseen = 0 if n >= seat.unseen else seat.unseen
                continue
            case wishes.Ping(at):
                await websocket.send_text(encode({"pong": at, "t": time.monotonic()}))
                continue
        told = wishes.carry_out(wish, clients.desk, seat.who)
        moving = isinstance(wish, wishes.Jog | wishes.Reach)
        if not moving:
            clients.changed()
        elif told.done:
            continue
        now = time.monotonic()
        if moving and told.message == refused and now - refused_at < SAME_REFUSAL:
            continue
        refused, refused_at = ("" if told.done else told.message), now
        do = type(wish).__struct_config__.tag
        await websocket.send_text(encode({"told": {"do": do, "done": told.done, "message": told.message}}))


async def _tell(websocket: WebSocket, clients: Clients, seat: Seat) -> None:
    """Status, newest only: the next goes out when the page has read the last."""
    n, sentence = 0, None
    while True:
        if not seat.unseen:
            status = clients.status()
            if status.sentence != sentence:
                sentence = status.sentence
                await websocket.send_text(encode({"sentence": sentence}))
            n += 1
            seat.unseen = n
            await websocket.send_text(status_message(status, seat, n, len(clients.seats)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STATUS_PERIOD):  # wait_for of 3.11 may swallow a cancellation
                await seat.nudge.wait()
        seat.nudge.clear()


async def pictures(websocket: WebSocket, clients: Clients, encoder: Encoder, lookers: set[WebSocket]) -> None:
    """Pictures: of each camera at most one is on the way. A slow page gets fewer, never older ones."""
    await websocket.accept()
    if len(lookers) >= MAX_CONSOLES:
        await websocket.close(FULL, f"{MAX_CONSOLES} pages look already: close one")
        return
    lookers.add(websocket)
    under_way: dict[str, tuple[int, float]] = {}
    try:
        await _either(
            websocket, _look(websocket, clients, under_way), _show(websocket, clients, encoder, under_way)
        )
    finally:
        lookers.discard(websocket)


async def _look(websocket: WebSocket, clients: Clients, under_way: dict[str, tuple[int, float]]) -> None:
    async for text in _texts(websocket, RateLimit(2 * RATE, 2 * BURST)):
        try:
            shown = wishes.read_shown(text)
        except msgspec.DecodeError as error:
            await websocket.close(POLICY, f"not understood: {error}"[:120])
            return
        n, t_mono = under_way.get(shown.camera, (-1, 0.0))
        if n == shown.n:
            del under_way[shown.camera]
            clients.ages.append((shown.camera, time.monotonic() - t_mono))


async def _show(
    websocket: WebSocket, clients: Clients, encoder: Encoder, under_way: dict[str, tuple[int, float]]
) -> None:
    n, last = 0, dict[str, float]()
    while True:
        for camera in clients.status().cameras:
            if camera in under_way:
                continue
            picture = clients.desk.picture(camera)
            if picture is None or picture.t_mono == last.get(camera):
                continue
            data = await encoder.encode(camera, picture)
            n += 1
            under_way[camera], last[camera] = (n, picture.t_mono), picture.t_mono
            await websocket.send_bytes(framed(camera, n, picture, data))
        await asyncio.sleep(LOOK_PERIOD)


async def _texts(websocket: WebSocket, budget: RateLimit) -> AsyncIterator[str]:
    """Text messages until the socket closes. One too many, or one of bytes, closes it."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        if text is None or not budget.take():
            said = "only text is understood" if text is None else f"more than {RATE:g} messages a second"
            await websocket.close(POLICY, said)
            return
        yield text


async def _either(websocket: WebSocket, *both: Coroutine[Any, Any, None]) -> None:
    """Speak while listening; what ends the one ends the other."""
    tasks = [asyncio.ensure_future(one) for one in both]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=1.0)
    for error in [task.exception() for task in tasks if task.done() and not task.cancelled()]:
        if error is not None and not isinstance(error, WebSocketDisconnect | OSError):  # gone
            log.error("a console's socket failed", exc_info=error)
            with contextlib.suppress(Exception):
                await websocket.close(FAILED, "the run's desk failed: see its log")
