"""Streams a server's cameras beside `palme bench bridge`, and says how many pictures a second it got.

`python -m palme.cli.bench_look FOLDER ADDRESS CAMERA ... HZ`; ends with SIGTERM.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

from robots.bridge import keys
from robots.bridge.client import BridgeClient


def main(folder: str, address: str, cameras: list[str], hz: float) -> None:
    """One client, one camera after the other, `hz` times a second each."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    key, server = keys.load_secret(Path(folder), "me"), keys.load_public(Path(folder) / "server.public.json")
    seen, begin = dict.fromkeys(cameras, 0), time.monotonic()
    with BridgeClient(address, key, server.public, timeout=2.0, patience=10.0) as client:
        due = begin = time.monotonic()
        while not ended.is_set():
            for camera in cameras:
                client.picture(camera)
                seen[camera] += 1
            due = max(due + 1 / hz, time.monotonic() - 1 / hz)
            ended.wait(max(due - time.monotonic(), 0.0))
    print(*(count / (time.monotonic() - begin) for count in seen.values()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:-1], float(sys.argv[-1]))
