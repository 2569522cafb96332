"""Run in the judge's environment: a policy server on openpi's own codec and the way its server behaves.

Prints its port, then serves until standard input ends. Joints are sent 0.01 rad on, row by row, gripper open;
the prompt "fail" gets a trace in a text frame and a hang-up, "objects" an array that nobody should unpack.
"""

import sys
import threading
import traceback

import numpy as np
from openpi_client import msgpack_numpy
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve


def handle(connection):
    connection.send(msgpack_numpy.packb({"name": "judge"}))
    try:
        while True:
            obs = msgpack_numpy.unpackb(connection.recv())
            try:
                if obs["prompt"] == "fail":
                    raise RuntimeError("the judge fails on purpose")
                q = obs["observation/joint_position"]
                assert q.dtype == np.float32 and q.shape == (7,), q
                assert obs["observation/exterior_image_1_left"].dtype == np.uint8
                rows = q + 0.01 * np.arange(1, 11)[:, None]
                answer = {
                    "actions": np.column_stack([rows, np.zeros(10)]),
                    "server_timing": {"infer_ms": 1.0},
                }
                if obs["prompt"] == "objects":
                    answer["actions"] = {
                        b"__ndarray__": True,
                        b"data": b"x" * 8,
                        b"dtype": "|O",
                        b"shape": [1],
                    }
                connection.send(msgpack_numpy.packb(answer))
            except Exception:
                connection.send(traceback.format_exc())
                connection.close(1011, "Internal server error")
                raise
    except (ConnectionClosed, RuntimeError):
        pass


with serve(handle, "127.0.0.1", 0, compression=None, max_size=None) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.socket.getsockname()[1], flush=True)
    sys.stdin.read()
