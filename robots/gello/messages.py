"""GELLO's messages, which are pickles: read without unpickling, written without pickling.

House rule: no pickle anywhere. GELLO's published client speaks nothing else, and users of its leader arm
should not have to patch it, so this one file reads its bytes. It uses no restricted `Unpickler`: that would
still run pickle's machine, which calls whatever its filter accepts, sets attributes (`BUILD` with slot state)
on it, and allocates by numbers in the message (`LONG_BINPUT`). Instead, the opcodes that a dict of numbers
and arrays consists of are interpreted here, over data alone: nothing is imported, looked up, called or given
attributes. Any other opcode is refused by name.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from robots.arrays import allowed, array_from, sendable
from robots.errors import ArrayRefused, CommandNotFinite, CommandOutside, CommandShape, MessageRefused
from robots.gripper import one_is
from robots.joints import TURN, TURNS, Limits, checked, numbers, turned

Value: TypeAlias = (
    "None | bool | int | float | str | NDArray[Any] | list[Value] | tuple[Value, ...] | dict[str, Value]"
)
GRIPPER = one_is(closed=True)
MAX_BYTES = 1 << 16  # a GELLO request has some 300
MAX_OPCODES = 2048
MAX_ITEMS = 1024
MAX_DEPTH = 6
# What numpy 1 and 2 write for an array, a type and a scalar, in protocols 3 to 5.
_NAMES = {
    f"{package}.{module} {name}": role
    for package in ("numpy.core", "numpy._core")
    for module, name, role in (
        ("multiarray", "_reconstruct", "blank"),
        ("multiarray", "scalar", "scalar"),
        ("numeric", "_frombuffer", "buffer"),
    )
} | {"numpy ndarray": "ndarray", "numpy dtype": "dtype"}
_VALUES = frozenset(
    "BININT BININT1 BININT2 LONG1 BINFLOAT SHORT_BINUNICODE BINUNICODE BINUNICODE8 SHORT_BINBYTES BINBYTES "
    "BINBYTES8 BYTEARRAY8".split()
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


class _Name:
    """One of `_NAMES`, as data; not the object it names."""

    def __init__(self, role: str) -> None:
        self.role = role


class _Type:
    """A dtype under construction: its code, then from its state the byte order."""

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "|"

    def build(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) >= 5 and state[1] in ("<", "|", ">", "=")):
            raise ArrayRefused("the state of an array type is malformed")
        if state[2:5] != (None, None, None):
            raise ArrayRefused("array types with fields are not allowed")
        self.order = state[1]

    @property
    def name(self) -> str:
        code = self.code
        order = "|" if code in ("b1", "u1", "i1") else self.order
        return code if code[:1] in "<>|=" else f"{order}{code}"


class _Blank:
    """An array under construction: empty until its state arrives."""

    def __init__(self) -> None:
        self.array: Any = None

    def build(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], _Type)):
            raise ArrayRefused("the state of an array is malformed")
        _, shape, kind, fortran, data = state
        allowed(kind.name)  # before its data: those of an object array are a list
        self.array = array_from(data, kind.name, shape, "F" if fortran is True else "C")


def read(message: bytes) -> Value:
    """Reads dicts, lists, tuples, text, numbers, None and arrays from a pickle of protocol 3 to 5.

    Args:
        message: at most `MAX_BYTES`.

    Raises:
        MessageRefused: an opcode, a global or a size is not allowed; nothing was executed.
        ArrayRefused: an array of a type that is not allowed (objects above all), or of the wrong size.
        CommandOutside: a `command_joint_state` whose numbers are in other units.
    """
    if not len(message) <= MAX_BYTES:
        raise MessageRefused(f"message has {len(message)} bytes; {MAX_BYTES} are allowed")
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for name, arg in _opcodes(message):
            _step(name, arg, stack, memo)
    except (IndexError, KeyError) as error:
        raise MessageRefused("message pops from an empty stack or reads an unset memo entry") from error
    if len(stack) != 1:
        raise MessageRefused(f"message leaves {len(stack)} values on its stack, expected 1")
    value = _plain(stack[0], 0, [MAX_ITEMS])
    if isinstance(value, dict) and value.get("method") == "command_joint_state":
        _check_units(value.get("args"))
    return value


def _check_units(args: Value) -> None:
    """Refuse a joint state in other units, whatever the arm; its server names other faults.

    Raises:
        CommandOutside: a joint beyond two turns, as in degrees, or a gripper out of its range.
    """
    if not (isinstance(args, dict) and isinstance(args.get("joint_state"), list | tuple | np.ndarray)):
        return
    try:
        state = numbers(args["joint_state"], "joint_state", CommandShape)
    except CommandShape:
        return
    if state.ndim != 1 or len(state) < 2 or not np.isfinite(state).all():
        return
    far = np.abs(state[:-1]) > TURNS * TURN
    if far.any():
        j = int(np.argmax(far))
        raise CommandOutside(
            f"joint_state: joint {j + 1} is {state[j]:.3f} rad, more than {TURNS:g} turns; it looks like "
            f"degrees ({state[j]:.1f} deg are {np.radians(state[j]):.3f} rad): send radians"
        )
    GRIPPER.opening(float(state[-1]), "joint_state, gripper", CommandOutside)


def _opcodes(message: bytes) -> Iterator[tuple[str, Any]]:
    steps = pickletools.genops(message)
    for _ in range(MAX_OPCODES):
        try:
            opcode, arg, _ = next(steps)
        except StopIteration:
            return
        except Exception as error:  # pickletools raises many kinds on malformed bytes
            raise MessageRefused(f"message is not a pickle ({type(error).__name__})") from error
        yield opcode.name, arg
    raise MessageRefused(f"message has more than {MAX_OPCODES} opcodes")


def _step(name: str, arg: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    if name in _VALUES:
        stack.append(arg)
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name in _TUPLES:
        n = _TUPLES[name]
        items = tuple(stack.pop() for _ in range(n))[::-1]
        stack.append(items)
    elif name == "MARK":
        stack.append(_MARK)
    elif name == "EMPTY_DICT":
        stack.append({})
    elif name == "EMPTY_LIST":
        stack.append([])
    elif name == "TUPLE":
        stack.append(tuple(_since_mark(stack)))
    elif name in ("APPEND", "APPENDS"):
        items_ = [stack.pop()] if name == "APPEND" else _since_mark(stack)
        _top(stack, list).extend(items_)
    elif name in ("SETITEM", "SETITEMS"):
        pairs = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else _since_mark(stack)
        _fill(_top(stack, dict), pairs)
    elif name in ("BINPUT", "LONG_BINPUT"):
        memo[arg] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[arg])
    elif name == "GLOBAL":
        stack.append(_named(arg))
    elif name == "STACK_GLOBAL":
        what, module = stack.pop(), stack.pop()
        if not (type(what) is str and type(module) is str):  # nested tuples would print at exponential length
            raise MessageRefused("message names a global by a value that is not text")
        stack.append(_named(f"{module} {what}"))
    elif name == "REDUCE":
        args, role = stack.pop(), stack.pop()
        stack.append(_made(role, args))
    elif name == "BUILD":
        state, thing = stack.pop(), stack[-1]
        if not isinstance(thing, (_Type, _Blank)):
            raise MessageRefused("message sets the state of a value that is not an array")
        thing.build(state)
    elif name not in ("PROTO", "FRAME", "STOP"):
        raise MessageRefused(f"message holds opcode {name}, which numbers and arrays do not use; refused")


def _named(name: str) -> _Name:
    if name not in _NAMES:
        raise MessageRefused(f"message names {name[:80]!r}; nothing is called, and only arrays are rebuilt")
    return _Name(_NAMES[name])


def _made(role: Any, args: Any) -> Any:
    """The value that a call of one of `_NAMES` stands for; nothing is called."""
    if not (isinstance(role, _Name) and isinstance(args, tuple)):
        raise MessageRefused("message calls something that is not an array constructor")
    shape = (role.role, *(type(a) for a in args))
    if shape == ("dtype", str, bool, bool):
        return _Type(args[0])
    if shape == ("blank", _Name, tuple, bytes) and args[0].role == "ndarray":
        return _Blank()  # its shape here is always (0,); the real one is in its state
    if shape == ("scalar", _Type, bytes):
        return array_from(args[1], args[0].name, ()).item()
    if shape[0] == "buffer" and len(args) == 4 and isinstance(args[1], _Type):
        return array_from(args[0], args[1].name, args[2], "F" if args[3] == "F" else "C")
    raise MessageRefused(
        f"message calls {role.role} with {len(args)} arguments that do not describe an array"
    )


def _since_mark(stack: list[Any]) -> list[Any]:
    items: list[Any] = []
    while (item := stack.pop()) is not _MARK:
        items.append(item)
    return items[::-1]


def _top(stack: list[Any], kind: type) -> Any:
    if type(stack[-1]) is not kind:
        raise MessageRefused(f"message adds items of a {kind.__name__} to a {type(stack[-1]).__name__}")
    return stack[-1]


def _fill(target: dict[str, Any], pairs: list[Any]) -> None:
    if len(pairs) % 2 or not all(type(key) is str for key in pairs[::2]):
        raise MessageRefused("message has a dict whose keys are not text")
    target.update(zip(pairs[::2], pairs[1::2], strict=True))


def _plain(value: Any, depth: int, left: list[int]) -> Any:
    """The tree without the markers above. Limits bound cycles and repeated references."""
    left[0] -= 1
    if not (left[0] >= 0 and depth <= MAX_DEPTH):
        raise MessageRefused(f"message has more than {MAX_ITEMS} items or is more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        return {key: _plain(v, depth + 1, left) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(v, depth + 1, left) for v in value)
    if isinstance(value, _Blank) and value.array is not None:
        return value.array
    if value is None or isinstance(value, (str, bool, int, float, np.ndarray)):
        return value
    raise MessageRefused(f"message holds a bare {type(value).__name__.lstrip('_').lower()}")


def joint_command(
    limits: Limits, joint_state: Value, near: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], float]:
    """The target of GELLO's `command_joint_state`.

    Args:
        limits: of the arm.
        joint_state: (n_joints + 1,) numbers: positions in [rad], then the gripper, 1 = closed.
        near: (n_joints,) the target before it in [rad], if there was one.

    Returns:
        (n_joints,) in [rad], and the opening in [0, 1], 1 = open.

    Raises:
        CommandShape: another shape, or not numbers.
        CommandNotFinite: a number is NaN or infinite.
        CommandOutside: a joint outside the arm's limits or a turn off the target before, or the gripper
            outside of its range.
    """
    state, n = numbers(joint_state, "joint_state", CommandShape), len(limits.joint_names)
    if state.shape != (n + 1,):
        raise CommandShape(f"joint_state: shape {state.shape}, expected ({n + 1},) for {limits.name}")
    if not (finite := np.isfinite(state)).all():
        name = [*limits.joint_names, "gripper"][int(np.argmin(finite))]
        raise CommandNotFinite(f"{name}: joint_state is not finite; refused, arm holding")
    q = checked(limits, state[:n], "joint_state", CommandOutside)
    if near is not None and (text := turned(limits, q, near, "joint_state")):
        raise CommandOutside(text)
    return q, GRIPPER.opening(float(state[n]), "joint_state, gripper", CommandOutside)


def write(value: object) -> bytes:
    """Writes a value as pickle of protocol 3; arrays under numpy 1's names, which numpy 2 reads as well.

    Raises:
        TypeError: a type other than those of `Value`, bytes and numpy scalars.
        ArrayRefused: an array of objects.
    """
    out: list[bytes] = [b"\x80\x03"]
    _write(value, out.append)
    return b"".join([*out, b"."])


def _write(value: object, put: Callable[[bytes], None]) -> None:
    if value is None or isinstance(value, bool):
        put({None: b"N", True: b"\x88", False: b"\x89"}[value])
    elif isinstance(value, int):
        small = -(1 << 31) <= value < 1 << 31
        raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        put(b"J" + struct.pack("<i", value) if small else b"\x8a" + bytes([len(raw)]) + raw)
    elif isinstance(value, float):
        put(b"G" + struct.pack(">d", value))
    elif isinstance(value, str):
        raw = value.encode("utf-8", "replace")
        put(b"X" + struct.pack("<I", len(raw)) + raw)
    elif isinstance(value, bytes):
        put(b"B" + struct.pack("<I", len(value)) + value)
    elif isinstance(value, dict):
        put(b"}(")
        for key, item in value.items():
            _write(str(key), put)
            _write(item, put)
        put(b"u")
    elif isinstance(value, (list, tuple)):
        put(b"](" if isinstance(value, list) else b"(")
        for item in value:
            _write(item, put)
        put(b"e" if isinstance(value, list) else b"t")
    elif isinstance(value, np.generic):
        _write(value.item(), put)
    elif isinstance(value, np.ndarray):
        _write_array(sendable(value), put)
    else:
        raise TypeError(f"{type(value).__name__} cannot be sent to GELLO")


def _write_array(array: NDArray[Any], put: Callable[[bytes], None]) -> None:
    put(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n")
    _write((0,), put)
    _write(b"b", put)
    put(b"\x87R(")
    _write(1, put)
    _write(tuple(array.shape), put)
    put(b"cnumpy\ndtype\n")
    _write((array.dtype.str[1:], False, True), put)
    put(b"R")
    _write((3, array.dtype.str[0], None, None, None, -1, -1, 0), put)
    put(b"b")
    _write(False, put)
    _write(array.tobytes(), put)
    put(b"tb")
