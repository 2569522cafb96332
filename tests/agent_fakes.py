"""Small stand-ins for planner, policy and arm, for tests of the loop and of what tells about it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from palme.events import Localisation
from palme.planners.base import PlannedStep, Verdict
from robots.robot import Robot
from robots.safety.chunk_verdict import ChunkVerdict
from robots.skills import DONE, Step
from robots.types import ActionChunk, CameraFrame, JointCommand, Observation, RobotState

N_JOINTS = 7


class FakeRefusal(Exception):
    pass


class FakeArm(Robot):
    """Holds the last command, as an arm would; refuses what is not finite."""

    spec = SimpleNamespace(
        name="fake",
        joint_names=tuple(f"joint{i + 1}" for i in range(N_JOINTS)),
        q_min=np.full(N_JOINTS, -2.8),
        q_max=np.full(N_JOINTS, 2.8),
        dq_max=np.full(N_JOINTS, 2.2),
        ddq_max=np.full(N_JOINTS, 8.0),
        control_hz=20.0,
    )

    def __init__(self, size=(48, 64)):
        self.q = np.zeros(N_JOINTS)
        self.gripper = 1.0
        self.sent = []
        self.stopped = None
        self.size = size
        self.looks = 0

    def observe(self, cameras=None):
        self.looks += 1
        h, w = self.size
        ramp = np.linspace(60, 200, h * w).reshape(h, w, 1)
        rgb = np.broadcast_to(ramp, (h, w, 3)).astype(np.uint8).copy()
        rgb[h // 3 : h // 2, w // 4 : w // 2] = (200, 40, 40)
        intrinsics = np.array([[w, 0, w / 2], [0, w, h / 2], [0, 0, 1.0]])
        base_from_camera = np.eye(4)
        base_from_camera[:3, :3] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
        frame = CameraFrame(rgb, None, intrinsics, base_from_camera)
        state = RobotState(self.q.copy(), np.zeros(N_JOINTS), self.gripper, np.eye(4))
        return Observation({"front": frame, "wrist": replace(frame, rgb=rgb[:, ::-1].copy())}, state, 0.0)

    def stop(self, reason):
        self.stopped = reason


class FakeExecutor:
    def __init__(self, arm):
        self.arm = arm
        self.verdict = ChunkVerdict()

    def reset(self):
        pass

    def run(self, chunk, n=None, on_sent=None):
        self.verdict = ChunkVerdict(len(self.arm.sent), len(chunk.q_targets))
        for q, gripper in zip(chunk.q_targets, chunk.gripper, strict=True):
            if not np.isfinite(q).all():
                raise FakeRefusal("joint1: target nan is not finite; arm holding")
            self.arm.q, self.arm.gripper = q, float(gripper)
            command = JointCommand(q, float(gripper), len(self.arm.sent), len(self.arm.sent) / 20)
            self.arm.sent.append(command)
            if on_sent is not None:
                on_sent(command)


class FakePlanner:
    """Walks a list of steps; `verdicts` says how each attempt is judged."""

    probability, sentence, objects = None, None, None

    def __init__(self, steps, verdicts=()):
        self.steps = list(steps)
        self.verdicts = list(verdicts)
        self.contexts = []
        self.at = 0

    def next_step(self, context):
        self.contexts.append(context)
        if self.at < len(self.steps):
            return self.planned(Step.parse(self.steps[self.at]), "red block on table no")
        return self.planned(DONE)

    def planned(self, step, rationale=""):
        return PlannedStep(step, rationale, self.probability, self.sentence, self.objects)

    def was_successful(self, context, step):
        success = self.verdicts.pop(0) if self.verdicts else True
        self.at += success
        return Verdict(success)


class FakePolicy:
    """Moves a little in `n_chunks` chunks, then says that it is done."""

    accepts = (Step,)
    cameras = ("front",)
    looks = ()

    def __init__(self, n_chunks=2, make=None):
        self.n_chunks = n_chunks
        self.make = make
        self.done = False
        self.steps = []

    def reset(self):
        self.done, self.left = False, self.n_chunks

    def act(self, observation, goal):
        self.steps.append(goal.text)
        self.left -= 1
        self.done = self.left <= 0
        heat = np.zeros((6, 8), np.float32)
        heat[2, 3] = 1
        self.localisations = (
            Localisation("front", "pick", heat, (26.0, 20.0)),
            Localisation("front", "place", heat[::-1], None),
        )
        if self.make:
            return self.make()
        t = np.linspace(0, 0.4, 5)[:, None]
        return ActionChunk(observation.robot.q + t * np.linspace(-1, 1, N_JOINTS), np.ones(5), 20.0)


def steps_of(result):
    """The steps of a run, as text."""
    return tuple((str(step), success) for step, success in result.steps)


def agent(planner, policy, arm, listeners=(), limits=None, retreat=None, account=None, supervisor=None):
    from palme.agent import Agent

    executor = FakeExecutor(arm)
    return Agent(
        arm,
        planner,
        policy,
        executor,
        listeners,
        limits,
        refusals=(FakeRefusal,),
        retreat=retreat,
        account=account,
        supervisor=supervisor,
    )
