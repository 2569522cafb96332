"""`palme doctor`: checks this installation; each failure names its remedy. Exit code 0 if all pass."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

from palme.cli.errors import UsageError
from palme.cli.paths import CONFIGS, WEIGHTS

EXTRAS = {
    "base": ("numpy", "zmq", "msgspec", "ruckig", "yaml"),
    "sim": ("pybullet", "gymnasium", "cv2"),
    "model": (
        "torch",
        "transformers",
        "peft",
        "hydra",
        "tensorboard",
        "tqdm",
        "av",
        "PIL",
        "safetensors",
        "pyarrow",
    ),
}
DISTRIBUTION = {
    "zmq": "pyzmq", "yaml": "pyyaml", "cv2": "opencv-python-headless", "hydra": "hydra-core", "PIL": "pillow",
}  # fmt: skip


def help_lines() -> tuple[str, ...]:
    """Lines for `palme doctor --help`."""
    return ("palme doctor takes nothing. Exit code: 0 all checks passed, 1 one failed.",)


def main(arguments: Sequence[str]) -> int:
    """Run every check and print a line for each."""
    if arguments:
        raise UsageError(f"{arguments[0]!r}: palme doctor takes nothing; run it as palme doctor")
    checks: list[tuple[str, Callable[[], str]]] = [
        ("python", _python),
        *((f"packages [{extra}]", lambda e=extra: _packages(e)) for extra in EXTRAS),
        ("configs", _configs),
        ("arm", _arm),
        ("physics", _physics),
        ("pictures", _pictures),
        ("film", _film),
        ("detector", _detector),
        ("planner", _planner),
    ]
    bad = 0
    for name, check in checks:
        try:
            print(f"  ok    {name:<18} {check()}")
        except Exception as error:  # any error is a failed check
            bad += 1
            print(f"  FAIL  {name:<18} {type(error).__name__}: {error}")
    print("all checks passed" if not bad else f"{bad} of {len(checks)} checks failed")
    return 1 if bad else 0


def _python() -> str:
    if not sys.version_info >= (3, 11):
        raise RuntimeError(f"Python {sys.version.split()[0]}; install 3.11 or newer")
    return f"{sys.version.split()[0]} at {sys.executable}"


def _packages(extra: str) -> str:
    missing = [DISTRIBUTION.get(n, n) for n in EXTRAS[extra] if importlib.util.find_spec(n) is None]
    if missing:
        raise RuntimeError(f"missing {', '.join(missing)}; install with: pip install -e '.[all]'")
    return ", ".join(f"{n} {_version(DISTRIBUTION.get(n, n))}" for n in EXTRAS[extra])


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "?"


def _configs() -> str:
    files = list(CONFIGS.rglob("*.yaml"))
    if not files:
        raise FileNotFoundError(f"no YAML file in {CONFIGS}; install from a checkout")
    return f"{len(files)} files in {CONFIGS}"


def _arm() -> str:
    from robots.safety.gate import SafetyGate
    from robots.spec import ArmSpec

    names = ArmSpec.available()
    for name in names:
        SafetyGate(ArmSpec.load(name))
    return f"{', '.join(names)}: limits valid, gate ready"


def _physics() -> str:
    import numpy as np

    from sim.data.scene_sampler import layout
    from sim.tasks import sample
    from sim.world.world import World

    rng = np.random.default_rng(0)
    _, state = sample("put_in_bowl", rng)
    world = World()
    try:
        world.load(layout(state, rng))
        begin = time.perf_counter()
        world.step(240)
        return f"2 s simulated in {1e3 * (time.perf_counter() - begin):.0f} ms"
    finally:
        world.close()


def _pictures() -> str:
    import numpy as np

    from sim.data.scene_sampler import layout
    from sim.tasks import sample
    from sim.world.world import World

    rng = np.random.default_rng(0)
    _, state = sample("put_in_bowl", rng)
    world = World()
    try:
        world.load(layout(state, rng))
        world.render("front")
        begin = time.perf_counter()
        frame = world.render("front")
        took = 1e3 * (time.perf_counter() - begin)
        if not frame.rgb.std() > 5:
            raise RuntimeError("the rendered image is blank; check OpenGL and PyBullet")
        return f"{frame.rgb.shape[1]} x {frame.rgb.shape[0]} with depth in {took:.1f} ms"
    finally:
        world.close()


def _film() -> str:
    import av

    av.codec.Codec("libx264", "w")
    return "H.264 encoder available"


def _detector() -> str:
    from palme.perception.detector import Detector

    return _weights(Detector.load())


def _planner() -> str:
    from palme.planners.palme import PalmePlanner

    return _weights(PalmePlanner.load(lambda _: None).model)  # type: ignore[arg-type, return-value]


def _weights(module: object) -> str:
    n = sum(p.numel() for p in module.parameters())  # type: ignore[attr-defined]
    return f"{n / 1e6:.2f} million parameters from {WEIGHTS}"
