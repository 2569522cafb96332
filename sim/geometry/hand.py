"""The outline of a gripper that points straight down: what grasps must find room for."""

from __future__ import annotations

from dataclasses import dataclass

from robots.spec import ArmSpec


@dataclass(frozen=True)
class Hand:
    """Boxes in the tool frame, in [m]; the fingers close along its y.

    Attributes:
        width: between the pads at opening 1.
        half_width: of a finger, across closing.
        thickness: of a finger tip, from its pad outward.
        tip_below: finger tips reach this far beyond the origin of the tool frame.
        layers: (underside above the tool frame, inner and outer edge from the pad outward) of each box
            that a finger is made of, from the tip up.
        palm_above: the palm's underside above the tool frame.
        palm_half_length, palm_half_width: along and across closing.
    """

    width: float
    half_width: float
    thickness: float
    tip_below: float
    layers: tuple[tuple[float, float, float], ...]
    palm_above: float
    palm_half_length: float
    palm_half_width: float


# The simulated Franka hand: the vendor's housing, with the flat pads that `sim.world.urdf` gives its fingers.
# The scenes and labels that the shipped networks were trained on are laid out for it.
FRANKA = Hand(0.08, 0.0105, 0.012, 0.0088, ((-0.0088, 0.0, 0.012), (0.025, 0.0, 0.0245)), 0.036, 0.104, 0.032)


def hand_of(spec: ArmSpec) -> Hand:
    """The simulated hand of `spec`'s arm: `FRANKA`, or box fingers below the capsules of the palm."""
    if spec.hand_link == "panda_hand":
        return FRANKA
    above, half_length, half_width = palm_box(spec)
    layers = ((-spec.finger_reach, 0.0, spec.finger_thickness),)
    return Hand(
        spec.gripper_width, spec.finger_width / 2, spec.finger_thickness, spec.finger_reach, layers, above,
        half_length, half_width,
    )  # fmt: skip


def palm_box(spec: ArmSpec) -> tuple[float, float, float]:
    """(underside above the tool frame, half length along y, half width along x) in [m] of the palm.

    The palm is what `spec.capsules` lists for link n_joints + 1, the tool frame.
    """
    palm = spec.capsules.links == spec.n_joints + 1
    ends, radii = spec.capsules.ends[palm], spec.capsules.radii[palm][:, None]
    return (
        -float((ends[..., 2] + radii).max()),
        float((abs(ends[..., 1]) + radii).max()),
        float((abs(ends[..., 0]) + radii).max()),
    )
