"""`palme serve robot=panda backend=sim|xarm|ur|franka|lerobot`: one arm over the bridge.

Nothing but the base install is imported for a real arm: no Hydra, no simulator, no torch.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from palme.cli.errors import UsageError
from palme.cli.rig.jpeg import Jpeg
from palme.cli.show_config import show
from robots import serve
from robots.bridge import sockets
from robots.drivers.registry import DRIVERS
from robots.errors import RobotError

DISTRACTORS = 5  # things on the table that the sentence does not name
BACKENDS = {"sim": "sim.world.driver:SimulatedDriver"}


@dataclass
class Settings(serve.Settings):
    """Settings of any arm, and of the simulated one.

    Attributes:
        sentence: names the objects on the simulated table; empty = none; `backend.scene` overrides it.
        seed: of the simulated scene.
        table: true also serves the simulation's ground truth, on the loopback, at the port plus 3.
    """

    sentence: str = "put the red block in the blue bowl"
    seed: int = 0
    table: bool = False


def main(arguments: Sequence[str]) -> int:
    """Returns 0 after a signal, 1 where the arm cannot be served. Raises UsageError."""
    try:
        settings = serve.parse(arguments, Settings())
    except serve.BadSetting as error:
        raise UsageError(str(error)) from error
    assert isinstance(settings, Settings)
    show(settings)
    if settings.table and settings.backend != "sim":
        raise UsageError(f"table=true: backend={settings.backend} has no simulated table; use backend=sim")
    if settings.backend == "sim":
        from palme.cli.rig.build import quiet

        quiet()
        if settings.sentence and "scene" not in settings.backend_settings and not settings.dry_run:
            from palme.cli.rig.scene_from_text import scene_for

            settings.backend_settings["scene"] = scene_for(settings.sentence, settings.seed, DISTRACTORS)
            print(f"scene: the objects that {settings.sentence!r} names, and distractors (sentence=, seed=)")
    try:
        codec = Jpeg() if Jpeg.is_available() else None
        server = serve.build(settings, BACKENDS, codec)

        def started() -> None:
            if codec is not None and server.driver.camera_names:
                codec.encode(
                    np.zeros((8, 8, 3), np.uint8)
                )  # loading OpenCV delays every thread, so do it now
            if settings.table:
                from palme.cli.rig.tabletop_frames import PORT
                from palme.cli.rig.tabletop_server import TableServer

                _, port = sockets.parse(settings.address)
                table = TableServer(server, port and port + PORT)
                print(f"serving ground truth at {table.address}: privileged, for evaluation")

        serve.serve(server, settings, started)
    except serve.BadSetting as error:
        raise UsageError(str(error)) from error
    except RobotError as error:
        print(f"palme serve: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def help_lines() -> list[str]:
    """Lines for `palme serve --help`."""
    title = "palme serve robot=... backend=... takes:"
    return [title, *serve.listed(Settings(), sorted(DRIVERS | BACKENDS))]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
