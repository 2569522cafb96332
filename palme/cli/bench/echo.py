"""What `palme bench bridge` compares with: raw pyzmq over CURVE that sends back what it gets.

`python -m palme.cli.bench.echo FOLDER`; ends with SIGTERM.
"""

from __future__ import annotations

import sys
from pathlib import Path

import zmq

from robots.bridge import keys, sockets
from robots.realtime import raise_priority


def main(folder: str) -> None:
    """Echo for ever."""
    raise_priority()
    context = sockets.context()
    auth = sockets.Authenticator(context, keys.AllowList(Path(folder)))
    socket = sockets.server_socket(context, zmq.ROUTER, keys.load_secret(Path(folder), "server"), 65536)
    print(f"tcp://127.0.0.1:{sockets.bind(socket, '127.0.0.1', 0, False)}", flush=True)
    try:
        while True:
            socket.send_multipart(socket.recv_multipart())
    except KeyboardInterrupt:
        pass
    finally:
        auth.stop()


if __name__ == "__main__":
    main(sys.argv[1])
