"""The PyBullet tabletop. Importing it registers the gymnasium environments; PyBullet opens lazily.

Where gymnasium is not installed there are no environments, and all else can be imported: `sim.tasks`,
`sim.geometry` and `sim.world` do without it.
"""

from importlib.util import find_spec

from sim.envs.register import register

if find_spec("gymnasium") is not None:
    register()
