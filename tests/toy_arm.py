"""A sixth arm, described in one YAML and nowhere else."""

from __future__ import annotations

from pathlib import Path

TOY = """
name: toy
joint_names: [turn, lift, bend, roll, tip, spin]
q_min: [-3.0, -2.2, -3.0, -3.0, -2.2, -3.0]
q_max: [3.0, 2.2, 0.3, 3.0, 2.2, 3.0]
dq_max: [2.0, 2.0, 2.0, 3.0, 3.0, 3.0]
ddq_max: [8.0, 8.0, 8.0, 10.0, 10.0, 10.0]
jerk_max: [1000.0, 1000.0, 1000.0, 1000.0, 1000.0, 1000.0]
tau_max: [80.0, 80.0, 60.0, 20.0, 20.0, 20.0]
q_home: [0.0, -0.0208, -1.2192, 0.0, 1.24, 0.0]   # tool down over (0.37, 0, 0.35)
joint_origins:
  - [0.0, 0.0, 0.15, 0.0, 0.0, 0.0]
  - [0.0, 0.0, 0.15, -1.5707963267948966, 0.0, 0.0]
  - [0.0, -0.40, 0.0, 0.0, 0.0, 0.0]
  - [0.0, 0.40, 0.0, -1.5707963267948966, 0.0, 0.0]
  - [0.0, 0.0, 0.0, 1.5707963267948966, 0.0, 0.0]
  - [0.0, 0.08, 0.0, -1.5707963267948966, 0.0, 0.0]
tool_xyz: [0.0, 0.0, 0.14]
tool_rpy: [0.0, 0.0, 0.0]
gripper_width: 0.10
gripper_speed: 0.15
gripper_force: 20.0
finger_width: 0.016
finger_thickness: 0.010
finger_reach: 0.006
finger_joints: [left, right]
hand_link: claw
finger_capsules:
  - [0.0, -0.062, -0.025, 0.0, 0.062, -0.025, 0.033]
control_hz: 20.0
first_command_tolerance: 0.15
following_error: 0.15
following_time: 0.25
following_lag: 0.15
workspace_min: [0.25, -0.45, 0.0]
workspace_max: [0.75, 0.45, 0.70]
table_z: 0.0
table_margin: 0.003
self_margin: 0.010
capsules:
  - [0, 0.0, 0.0, 0.07, 0.0, 0.0, 0.10, 0.07]
  - [1, 0.0, 0.0, 0.05, 0.0, 0.0, 0.15, 0.06]
  - [2, 0.0, 0.0, 0.06, 0.0, -0.40, 0.06, 0.045]
  - [3, 0.0, 0.0, 0.0, 0.0, 0.32, 0.0, 0.04]
  - [5, 0.0, 0.0, 0.0, 0.0, 0.05, 0.0, 0.035]
  - [7, 0.0, -0.055, -0.09, 0.0, 0.055, -0.09, 0.035]
never_meet: [[0, 2], [3, 5]]
"""


def add_toy_arm(folder: Path) -> None:
    """Write toy.yaml into `folder`, which stands in for configs/robot."""
    (folder / "toy.yaml").write_text(TOY, encoding="utf-8")
