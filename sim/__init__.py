"""The PyBullet tabletop. Importing it registers the gymnasium environments; PyBullet opens lazily."""

from sim.envs.register import register

register()
