"""SimulatedDriver: the simulated arm as the bridge's server drives a real one. The gate is the server's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from robots.drivers.base import Driver, HasClock
from robots.errors import DriverError, RobotError
from robots.spec import ArmSpec
from robots.types import CameraFrame, JointCommand, RobotState
from sim.rendering.camera import Camera
from sim.world.arm import SimulatedArm
from sim.world.owned import Uncopied
from sim.world.scene import Scene
from sim.world.world import World

T = TypeVar("T")


class SimulatedDriver(Uncopied, Driver, HasClock):
    """An arm in PyBullet, behind `robots.drivers.base.Driver`. Each `send` is one control tick of physics.

    PyBullet is asked by two threads, ticks and pictures, one at a time.

    Args:
        spec: the arm.
        scene: what stands on the table at first; itself, a YAML file, or None = nothing.
        cameras: names of `sim.rendering.camera.CAMERAS`, or `Camera`s.

    Raises:
        DriverError: a scene that cannot be read.
    """

    def __init__(
        self,
        spec: ArmSpec,
        scene: Scene | str | None = None,
        cameras: Sequence[str | Camera] = ("front", "wrist"),
    ) -> None:
        self.spec = spec
        given = Scene((), ()) if scene is None else scene
        self._scene = given if isinstance(given, Scene) else _read(Path(given))
        self.world = World("fast", spec)
        self.arm = SimulatedArm(self.world, cameras)
        self.camera_names: Sequence[str] = tuple(self.arm.cameras)
        self._lock = threading.Lock()

    def connect(self) -> None:
        """Build the world."""
        self.load(self._scene)

    @property
    def time(self) -> float:
        """[s] simulated since the world was loaded."""
        return self.arm.time

    def read(self) -> RobotState:
        """See `Driver`."""
        return self._alone(self.arm.state)

    def send(self, command: JointCommand) -> None:
        """One control tick towards what the server's gate let through."""
        self._alone(lambda: self.arm.drive(command))

    def picture(self, camera: str) -> CameraFrame:
        """Drawn now."""
        return self._alone(lambda: self.arm.observe((camera,)).images[camera])

    def stop(self) -> None:
        """A simulated arm stands still where it is not driven."""

    def close(self) -> None:
        """Give the simulator back."""
        with self._lock:
            self.world.close()

    def load(self, scene: Scene) -> None:
        """Rebuild the world with `scene`; the arm is home, at rest."""
        self._alone(lambda: self.world.load(scene))

    def look(self, question: Callable[[World], T]) -> T:
        """Ask the world something that only a simulation knows."""
        return self._alone(lambda: question(self.world))

    def _alone(self, work: Callable[[], T]) -> T:
        with self._lock:
            try:
                return work()
            except RobotError:
                raise
            except Exception as error:  # pybullet.error, once the world has been closed
                raise DriverError(f"the simulator: {error}") from error


def _read(path: Path) -> Scene:
    try:
        return Scene.from_yaml(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DriverError(
            f"backend.scene={path}: {reason}; name a scene's YAML file, such as the scene.yaml that "
            "`palme run` writes"
        ) from error
