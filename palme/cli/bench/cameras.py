"""Streams a server's cameras beside `palme bench bridge`, and says how many pictures a second it got.

`python -m palme.cli.bench.cameras FOLDER ADDRESS CAMERA ... HZ raw|jpeg`; says `seeing` after the first ones,
and the figures when it ends: with SIGTERM, or when the server does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from palme.cli.rig.jpeg import Jpeg
from robots.bridge import keys
from robots.bridge.client import BridgeClient
from robots.errors import RobotError


def main(folder: str, address: str, cameras: list[str], hz: float, pictures: str) -> None:
    """One client, one camera after the other, `hz` times a second each."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    key, server = keys.load_secret(Path(folder), "me"), keys.load_public(Path(folder) / "server.public.json")
    codec = Jpeg() if pictures == "jpeg" else None
    seen, begin = dict.fromkeys(cameras, 0), time.monotonic()
    try:
        with BridgeClient(address, key, server.public, timeout=2.0, patience=10.0, codec=codec) as client:
            for camera in cameras:
                client.picture(camera)
            _say("seeing")
            due = begin = time.monotonic()
            while not ended.is_set():
                for camera in cameras:
                    client.picture(camera)
                    seen[camera] += 1
                due = max(due + 1 / hz, time.monotonic() - 1 / hz)
                ended.wait(max(due - time.monotonic(), 0.0))
    except RobotError as error:
        print(f"bench cameras: {error}", file=sys.stderr)
    took = time.monotonic() - begin
    _say(*(count / took for count in seen.values()))


def _say(*words: object) -> None:
    try:
        print(*words, flush=True)
    except BrokenPipeError:  # nobody listens any more; without this Python says so once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:-2], float(sys.argv[-2]), sys.argv[-1])
