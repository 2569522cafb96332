"""What an environment is told is either carried out as written or refused by name; nothing is guessed."""

from __future__ import annotations

import re

import gymnasium
import numpy as np
import pytest

import sim  # noqa: F401  (registers)
from robots.errors import CommandNotFinite, CommandOutside, CommandRejected, CommandShape, UnknownRobot
from sim.data.scene_sampler import layout
from sim.envs.options import BadSeed, ticks
from sim.envs.register import IDS
from sim.envs.tabletop import TabletopEnv, UnknownOption
from sim.rendering.camera import CAMERAS, FRONT
from sim.tasks import UnknownTask, make_task, sample
from sim.tasks.base import BadDistractors
from sim.tasks.put_in_bowl import InBowl
from sim.tasks.stack_tower import Tower
from sim.world.scene import Placed, Scene
from sim.world.state import ObjectSpec, SceneState

FAST = {"observation": "state"}
NAN, INF = float("nan"), float("inf")


@pytest.fixture(scope="module")
def env():
    made = TabletopEnv("put_in_bowl", **FAST)
    yield made
    made.close()


def home(env) -> np.ndarray:
    return np.append(env.arm.spec.q_home, 1.0)


# -- actions -------------------------------------------------------------------------------------


def put(k: int, value: float):
    """The resting action with entry `k` replaced."""

    def make(a):
        a = a.copy()
        a[k] = value
        return a

    return make


class Loud:
    """Raises what a library's own tensor might, when asked for an array."""

    def __array__(self, *_, **__):
        raise RuntimeError("a tensor that requires grad")


SHAPES = {
    "(1, 8)": lambda a: a[None], "(8, 1)": lambda a: a[:, None], "(2, 4)": lambda a: a.reshape(2, 4),
    "(2, 8)": lambda a: np.stack([a, a]), "(1, 1, 8)": lambda a: a[None, None], "(7,)": lambda a: a[:7],
    "(9,)": lambda a: np.append(a, 0.0), "(0,)": lambda a: a[:0], "(0, 8)": lambda a: a[None][:0],
    "scalar array": lambda a: np.array(0.5), "scalar": lambda a: np.float32(0.5), "float": lambda a: 0.5,
    "int": lambda a: 3, "list of rows": lambda a: [a.tolist()], "short list": lambda a: a.tolist()[:3],
    "empty list": lambda a: [], "tuple of 7": lambda a: tuple(a[:7]), "(16,)": lambda a: np.tile(a, 2),
}  # fmt: skip
TYPES = {
    "None": lambda a: None, "string": lambda a: "hold", "numbers in a string": lambda a: "0 0 0 0 0 0 0 1",
    "bytes": lambda a: a.tobytes(), "list of strings": lambda a: [str(x) for x in a],
    "array of strings": lambda a: a.astype(str), "objects": lambda a: a.astype(object),
    "list with None": lambda a: [None, *a[1:]], "bool": lambda a: True, "bools": lambda a: a > 0,
    "list of bools": lambda a: [True] * 8, "complex": lambda a: a + 0j, "dict": lambda a: {"action": a},
    "dict of joints": lambda a: dict(enumerate(a)), "set": lambda a: set(a.tolist()),
    "ragged": lambda a: [[0.0], *a[1:]], "ragged rows": lambda a: [[0.0, 1.0], [0.0]],
    "dates": lambda a: np.array(["2020-01-01"] * 8, "M8[D]"),
    "durations": lambda a: np.array([1] * 8, "m8[s]"),
    "records": lambda a: np.zeros(8, [("q", "f4")]), "masked": lambda a: np.ma.masked_array(a, a < 0),
    "generator": lambda a: (x for x in a), "function": lambda a: np.zeros,
    "a tensor with grad": lambda a: Loud(),
    "ellipsis": lambda a: ..., "nested tuple": lambda a: (tuple(a[:7]), a[7]), "type": lambda a: float,
}  # fmt: skip
NOT_FINITE = {f"{value} at {k}": put(k, value) for value in (NAN, INF, -INF) for k in range(8)}
NOT_FINITE |= {
    "all NaN": lambda a: a * NAN, "NaN list": lambda a: [NAN] * 8,
    "NaN in float32": lambda a: put(3, NAN)(a).astype("f4"),
    "overflowed half": lambda a: put(0, 1e9)(a).astype(np.float16),
}  # fmt: skip
OUTSIDE = {f"{value} at {k}": put(k, value) for value in (-45.0, 90.0, 1e6, -1e300) for k in range(8)}
OUTSIDE |= {
    "degrees": lambda a: np.append(np.degrees(a[:7]), 1.0),
    "one turn off": lambda a: put(0, a[0] + 2 * np.pi)(a),
    "a turn back": lambda a: put(6, a[6] - 2 * np.pi)(a), "gripper of 255": put(7, 255.0),
    "gripper of -1": put(7, -1.0), "gripper in mm": put(7, 80.0), "ints": lambda a: np.full(8, 100),
    "uint8": lambda a: np.full(8, 255, np.uint8), "int64 range": lambda a: np.full(8, 2**62),
}  # fmt: skip
REFUSED = (
    [pytest.param(CommandShape, make, id=f"shape {name}") for name, make in SHAPES.items()]
    + [pytest.param(CommandShape, make, id=f"type {name}") for name, make in TYPES.items()]
    + [pytest.param(CommandNotFinite, make, id=name) for name, make in NOT_FINITE.items()]
    + [pytest.param(CommandOutside, make, id=f"outside {name}") for name, make in OUTSIDE.items()]
)


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(("error", "make"), REFUSED)
def test_an_action_that_is_no_command_is_refused_by_name_and_nothing_happens(env, error, make):
    env.reset(seed=0)
    env.step(home(env))
    before, time, seq = env._reached(), env.arm.time, env._seq
    with pytest.raises(error, match="action") as refused:
        env.step(make(home(env)))
    assert isinstance(refused.value, CommandRejected)
    assert np.array_equal(env._reached(), before) and (env.arm.time, env._seq) == (time, seq)
    obs, *_ = env.step(home(env))  # the episode goes on
    assert np.isfinite(obs["agent_pos"]).all()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda a: a[None], r"action has shape \(1, 8\).*8 numbers.*reshape it to \(8,\)"),
        (lambda a: None, "action is None; it must be 8 numbers"),
        (put(2, NAN), "panda_joint3 is nan"),
        (put(7, -1.0), r"gripper is -1, outside \[0, 1\]"),
        (
            put(0, 90.0),
            r"panda_joint1: action 90.000 rad, outside .*looks like degrees \(90.0 deg are 1.571 rad\)",
        ),
    ],
)
def test_the_refusal_of_an_action_says_what_it_is_and_what_it_must_be(env, make, says):
    env.reset(seed=0)
    with pytest.raises(CommandRejected, match=says):
        env.step(make(home(env)))


def rounded(a):
    return a.astype(np.float16)


TAKEN = {
    "list": lambda a: a.tolist(), "tuple": lambda a: tuple(a), "float32": lambda a: a.astype(np.float32),
    "half": rounded, "float64": lambda a: a, "not contiguous": lambda a: np.repeat(a, 2)[::2],
    "big-endian": lambda a: a.astype(">f8"), "read-only": lambda a: np.frombuffer(a.tobytes()),
    "a little outside": put(7, 1.1), "joint a little outside": lambda a: put(0, 2.95)(a),
}  # fmt: skip


@pytest.mark.parametrize("make", TAKEN.values(), ids=TAKEN)
def test_an_action_of_another_type_that_means_the_same_is_taken(env, make):
    env.reset(seed=0)
    for _ in range(3):
        obs, *_ = env.step(make(home(env)))
    assert env.observation_space.contains(obs)
    low, high = env.arm.spec.q_min - 2e-3, env.arm.spec.q_max + 2e-3
    assert ((low <= obs["agent_pos"][:7]) & (obs["agent_pos"][:7] <= high)).all()


def test_ints_are_taken_where_they_are_joint_targets():
    env = TabletopEnv("put_in_bowl", robot="xarm6", **FAST)
    env.reset(seed=0)
    env.step([0, -1, -1, 0, 1, 0, 1])
    env.close()


# -- the order of calls --------------------------------------------------------------------------


@pytest.mark.parametrize("name", IDS)
def test_calls_out_of_order_are_refused_by_name(name):
    env = gymnasium.make(name, render_mode="rgb_array", disable_env_checker=True, **FAST)
    action = env.action_space.sample()
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\) before step\(\)"):
        env.step(action)
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\) before render\(\)"):
        env.render()
    env.reset(seed=0)
    env.close()
    env.close()
    for verb, call in (("step", lambda: env.step(action)), ("render", env.render), ("reset", env.reset)):
        closed = gymnasium.error.ClosedEnvironmentError
        with pytest.raises(closed, match=rf"{verb}\(\) after close\(\).*make another one"):
            call()


def test_an_environment_that_never_opened_closes_and_stays_closed():
    env = TabletopEnv("put_in_bowl", **FAST)
    env.close()
    with pytest.raises(gymnasium.error.ClosedEnvironmentError):
        env.reset()
    with pytest.raises(gymnasium.error.ClosedEnvironmentError):
        env.render()


# -- keywords of make ----------------------------------------------------------------------------

BAD_KEYWORDS: list[tuple[str, object, str]] = [
    *[("n_distractors", v, r"None.*whole number in \[0, 10\]") for v in (
        -1, -100, 11, 10**9, 2**70, 2.0, 1.5, NAN, INF, "3", "many", True, False, [2], (1, 2), {},
        np.float32(2), b"2",
        np.array([1, 2]), np.bool_(True), 1j,
    )],
    *[("image_size", v, r"whole number or \(width, height\).*\[8, 2048\]") for v in (
        0, -1, 7, 2049, 10**6, 1.5, 128.0, NAN, INF, None, "128", "128x128", True, (128,), (128, 128, 3),
        (0, 128), (128, 0), (-5, 5), (128, None), (128.0, 128), ("a", "b"), [], {}, (1, 1), (128, True),
        np.array([64, 64]), np.float64(64), [[64, 64]], {64, 32}, 2**80,
    )],
    *[("cameras", v, "front.*wrist") for v in (
        "front", "wrist", "", "back", None, 0, (), [], ("back",), ("front", "back"), ("front", "front"),
        ("wrist", "front", "wrist"), [None], [0], [b"front"], {"front"}, {"front": 1}, ("Front",), (FRONT,),
        [["front"]], ("front ",), iter(("front",)), np.array(["front"]), True,
    )],
    *[("observation", v, "pixels.*state") for v in (
        "smell", "", "Pixels", "pixel", "states", None, 0, True, b"state", ["state"], ("pixels", "state"), {},
        np.array(["state"]), "environment_state", NAN,
    )],
    *[("render_mode", v, "None.*rgb_array") for v in (
        "human", "rgb", "RGB_array", "depth_array", "", 0, True, False, ["rgb_array"], b"rgb_array", {},
        "ansi",
    )],
    *[("control_hz", v, "must divide 120") for v in (
        50, 0, -20, 7, 121, 240, 0.5, 1e-9, NAN, INF, -INF, None, "20", "fast", True, [20], (20,), {}, 20j,
        2**70,
        np.array([20, 30]), np.array([20]), b"20", 19.999,
    )],
    *[("split", v, "train.*validation.*test.*held_out") for v in (
        "dev", "", "Train", "heldout", "held-out", None, 0, True, ["train"], ("train", "test"), {}, b"train",
        NAN,
    )],
    *[("look", v, "fast.*photo") for v in ("dark", "", "Fast", None, 0, True, ["fast"], b"photo", {},
    "photos")],
    *[("geometry", v, "True or False") for v in ("no", "yes", "", 0, 1, None, [], [True], "False", 0.0, NAN)],
    *[("seed", v, "unknown keyword 'seed'.*There are") for v in (0, None)],
    ("camera", "front", "unknown keyword 'camera'; did you mean 'cameras'"),
    ("obs", "state", "unknown keyword 'obs'.*observation"),
    ("observations", "state", "did you mean 'observation'"),
    ("hz", 20, "unknown keyword 'hz'.*control_hz"),
    ("img_size", 64, "did you mean 'image_size'"),
    ("size", 64, "unknown keyword 'size'"),
    ("distractors", 2, "did you mean 'n_distractors'"),
    ("robots", "panda", "did you mean 'robot'"),
    ("unknown", 1, "unknown keyword 'unknown'"),
    ("self_", 1, "unknown keyword 'self_'"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # gymnasium warns of render modes too
@pytest.mark.parametrize(("keyword", "value", "says"), BAD_KEYWORDS)
def test_a_keyword_that_makes_no_sense_is_refused_at_construction_with_the_legal_ones(keyword, value, says):
    with pytest.raises(UnknownOption, match=says) as refused:
        TabletopEnv("put_in_bowl", **{keyword: value})
    assert keyword in str(refused.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", IDS)
def test_gymnasium_make_and_make_vec_refuse_the_same_keywords(name):
    for keyword, value, says in BAD_KEYWORDS[::7]:
        if isinstance(value, type(iter(()))) or keyword == "render_mode":  # gymnasium reads that one itself
            continue
        with pytest.raises(UnknownOption, match=says):
            gymnasium.make(name, **{keyword: value})
        with pytest.raises(UnknownOption, match=says):
            gymnasium.make_vec(name, num_envs=2, vectorization_mode="sync", **{keyword: value})


@pytest.mark.parametrize(
    "value", ["put", "", "PutInBowl", None, 0, ["put_in_bowl"], {}, b"put_in_bowl", True]
)
def test_an_unknown_family_is_refused_with_those_there_are(value):
    with pytest.raises(UnknownTask, match="put_in_bowl, stack_tower, match_bowls"):
        TabletopEnv(value)


@pytest.mark.parametrize("value", ["pandas", "", None, 0, ["panda"], "../panda", "Panda", b"panda", {}])
def test_an_unknown_arm_is_refused_with_those_there_are(value):
    with pytest.raises(UnknownRobot if isinstance(value, str) else UnknownOption, match="panda.*xarm6"):
        TabletopEnv("put_in_bowl", robot=value)


GOOD_KEYWORDS = [
    {"n_distractors": 0}, {"n_distractors": 10}, {"n_distractors": np.int64(3)}, {"n_distractors": None},
    {"image_size": 8}, {"image_size": (64, 48)}, {"image_size": [48, 64]}, {"image_size": np.int32(32)},
    {"cameras": ["wrist"]}, {"cameras": ("wrist", "front")}, {"cameras": (), "observation": "state"},
    {"control_hz": 60}, {"control_hz": 30.0}, {"control_hz": np.float32(40)}, {"control_hz": 7.5},
    {"geometry": True}, {"render_mode": "rgb_array"}, {"split": "held_out"}, {"look": "photo"},
]  # fmt: skip


@pytest.mark.parametrize("kwargs", GOOD_KEYWORDS, ids=str)
def test_a_legal_keyword_does_what_it_says(kwargs):
    env = TabletopEnv("put_in_bowl", **{"image_size": 16, "split": "test", **kwargs})
    obs, _ = env.reset(seed=0)
    assert env.observation_space.contains(obs)
    assert env.observation_space.contains(env.step(home(env))[0])
    if kwargs.get("n_distractors") is not None:
        assert len(env.world.specs) == 2 + kwargs["n_distractors"]
    env.close()


@pytest.mark.parametrize("family", ["put_in_bowl", "stack_tower", "match_bowls"])
@pytest.mark.parametrize("n", [-1, 11, 1.0, "2", True, NAN])
def test_drawing_a_task_refuses_the_same_numbers_of_distractors(family, n):
    with pytest.raises(BadDistractors, match=r"n_distractors=.*\[0, 10\]"):
        sample(family, np.random.default_rng(0), n_distractors=n)


# -- reset ---------------------------------------------------------------------------------------

SPECS = (ObjectSpec("red", "block"), ObjectSpec("blue", "bowl"))
TASK = make_task("put_in_bowl", InBowl("red block", "blue bowl"))
SCENE = layout(SceneState(SPECS, (None, None)), np.random.default_rng(0))
MANY = Scene(
    tuple(Placed(ObjectSpec("red", "block"), (0.5, 0.02 * k, 0.017), 0.0) for k in range(13)), (None,) * 13
)
OTHER = Scene(SCENE.objects[:1], (None,))
TOWER = make_task("stack_tower", Tower(("red block", "blue block")))

BAD_OPTIONS = [
    ("task", "mapping with the keys task and scene"), (5, "mapping"), ([("task", TASK)], "mapping"),
    (True, "mapping"),
    ({"tasks": TASK, "scene": SCENE}, "unknown key of options 'tasks'; did you mean 'task'"),
    ({"task": TASK, "scenes": SCENE}, "did you mean 'scene'"), ({"Task": TASK}, "did you mean 'task'"),
    ({"seed": 3}, "unknown key of options 'seed'"), ({1: 2}, "unknown key of options 1"),
    ({"reset_mask": None}, "unknown key of options 'reset_mask'"),
    ({None: None}, "unknown key of options None"),
    ({"task": TASK}, "'scene' is missing; give task and scene together"),
    ({"scene": SCENE}, "'task' is missing"),
    ({"task": "put", "scene": SCENE}, r"options\['task'\] is of type str.*Task"),
    ({"task": None, "scene": SCENE}, "of type NoneType.*Task"), ({"task": None, "scene": None}, "NoneType"),
    ({"task": TASK, "scene": SCENE.to_yaml()}, r"options\['scene'\] is of type str.*Scene"),
    ({"task": TASK, "scene": SCENE.state}, "of type SceneState"),
    ({"task": InBowl("a", "b"), "scene": SCENE}, "of type InBowl"),
    ({"task": TASK, "scene": MANY}, "13 objects; the observation has room for 12"),
    ({"task": TASK, "scene": OTHER}, "lacks an object of the goal: no 'blue bowl'"),
    ({"task": make_task("put_in_bowl", InBowl("pink block", "blue bowl")), "scene": SCENE},
    "no 'pink block'"),
    ({"task": TOWER, "scene": SCENE}, "of family 'stack_tower', this environment plays 'put_in_bowl'"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "says"), BAD_OPTIONS)
def test_options_of_reset_that_make_no_sense_are_refused_and_the_episode_goes_on(env, options, says):
    env.reset(seed=0)
    description = env.task_description
    with pytest.raises(UnknownOption, match=says):
        env.reset(options=options)
    assert env.task_description == description
    env.step(home(env))


@pytest.mark.parametrize("options", [None, {}, {"task": TASK, "scene": SCENE}])
def test_options_of_reset_that_make_sense_are_taken(env, options):
    _, info = env.reset(seed=0, options=options)
    assert (info["task_description"] == TASK.instruction) == bool(options)


BAD_SEEDS = [
    -1, -(2**40), 1.0, 0.5, NAN, INF, "7", "", b"7", True, False, [1], (1, 2), {}, np.array([1, 2]),
    np.float32(3),
    1j, np.bool_(True), frozenset(), np.array(1.5), np.int64(-3),
]  # fmt: skip


@pytest.mark.parametrize("seed", BAD_SEEDS, ids=repr)
def test_a_seed_that_is_no_whole_number_is_refused_by_name(env, seed):
    env.reset(seed=0)
    with pytest.raises(BadSeed, match=re.escape(f"seed={seed!r}: must be None or a whole number")):
        env.reset(seed=seed)
    env.step(home(env))


@pytest.mark.parametrize(
    "seed",
    [0, 7, 2**32, 2**64 + 1, 10**40, np.int64(7), np.uint8(7), np.int32(0), np.uint64(2**63)],
    ids=repr,
)
def test_any_whole_number_is_a_seed_and_numpy_s_the_same_one(env, seed):
    first, _ = env.reset(seed=seed)
    again, _ = env.reset(seed=int(seed))
    assert np.array_equal(first["environment_state"], again["environment_state"])


# -- scenes --------------------------------------------------------------------------------------

RED = ObjectSpec("red", "block")


@pytest.mark.parametrize(
    ("objects", "holder", "says"),
    [
        ((Placed(RED, (NAN, 0, 0), 0.0),), (None,), "not finite"),
        ((Placed(RED, (0.5, INF, 0), 0.0),), (None,), "not finite"),
        ((Placed(RED, (0.5, 0, 0), NAN),), (None,), "not finite"),
        ((Placed(ObjectSpec("mauve", "block"), (0.5, 0, 0), 0.0),), (None,), "'mauve' is none of"),
        ((Placed(ObjectSpec("red", "cube"), (0.5, 0, 0), 0.0),), (None,), "'cube' is none of"),
        ((Placed(ObjectSpec("red", "block", "huge"), (0.5, 0, 0), 0.0),), (None,), "'huge' is none of"),
        ((Placed(RED, (0.5, 0, 0), 0.0),), (0,), r"holder\[0\]=0"),
        ((Placed(RED, (0.5, 0, 0), 0.0),), (1,), r"holder\[0\]=1"),
        ((Placed(RED, (0.5, 0, 0), 0.0),), (-1,), r"holder\[0\]=-1"),
        ((Placed(RED, (0.5, 0, 0), 0.0),), ("table",), r"holder\[0\]='table'"),
        ((Placed(RED, (0.5, 0, 0), 0.0),), (), "0 entries for 1 objects"),
        ((Placed(RED, (0.5, 0, 0), 0.0),), (0.5,), r"holder\[0\]=0.5"),
    ],
)
def test_a_scene_that_cannot_be_is_refused_when_it_is_made(objects, holder, says):
    with pytest.raises(ValueError, match=says):
        Scene(objects, holder)


# -- many at once --------------------------------------------------------------------------------

BATCHES = {
    "one row for two": lambda a: a[:1], "three rows": lambda a: np.concatenate([a, a[:1]]),
    "flat": lambda a: a[0],
    "flat of both": lambda a: a.ravel(), "None": lambda a: None, "scalar": lambda a: 0.5,
    "string": lambda a: "hold",
    "(2, 7)": lambda a: a[:, :7], "(2, 8, 1)": lambda a: a[..., None], "(2, 1, 8)": lambda a: a[:, None],
    "NaN in one": lambda a: a * np.array([[1.0], [NAN]]), "bools": lambda a: a > 0,
    "objects": lambda a: [None, None],
    "strings": lambda a: a.astype(str), "degrees": lambda a: np.degrees(a), "(8, 2)": lambda a: a.T,
    "empty": lambda a: a[:0],
}  # fmt: skip


@pytest.fixture(scope="module")
def sync():
    envs = gymnasium.make_vec("palme/PutInBowl-v0", num_envs=2, vectorization_mode="sync", **FAST)
    yield envs
    envs.close()


@pytest.mark.parametrize("make", BATCHES.values(), ids=BATCHES)
def test_a_vector_environment_never_steps_on_with_actions_that_do_not_fit(sync, make):
    sync.reset(seed=0)
    rest = np.stack([home(sync.envs[0].unwrapped)] * 2)
    with pytest.raises((CommandRejected, TypeError, ValueError)):
        sync.step(make(rest))
    sync.reset(seed=0)
    sync.step(rest)


@pytest.mark.parametrize(
    "make", [BATCHES[k] for k in ("NaN in one", "(2, 7)", "degrees", "strings", "bools")]
)
def test_an_asynchronous_vector_environment_raises_the_workers_refusal(make):
    envs = gymnasium.make_vec("palme/PutInBowl-v0", num_envs=2, vectorization_mode="async", **FAST)
    try:
        obs, _ = envs.reset(seed=0)
        with pytest.raises(CommandRejected, match="action"):
            envs.step(make(obs["agent_pos"].astype(np.float64)))
    finally:
        envs.close(terminate=True)


@pytest.mark.parametrize("seed", [-1, [0], [0, 1, 2], [0, -1], [0, 1.5], [0, "x"], "ab", 1.5])
def test_a_vector_environment_refuses_seeds_that_are_none(sync, seed):
    with pytest.raises((BadSeed, TypeError, ValueError)):
        sync.reset(seed=seed)


def test_the_cameras_that_refusals_list_are_those_there_are():
    assert set(CAMERAS) == {"front", "wrist", "detail"}


@pytest.mark.parametrize("value", [0, -1, 1.5, "100", True, NAN, [3], {}])
def test_an_episode_length_that_makes_no_sense_is_refused(value):
    with pytest.raises(UnknownOption, match="episode_length=.*None or a whole number of at least 1"):
        ticks(value)
    assert ticks(None) is None and ticks(np.int64(7)) == 7
