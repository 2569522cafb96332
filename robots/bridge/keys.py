"""CURVE keys in a folder: the own pair, keys of known servers, and the clients that a server accepts.

NAME.secret.json      own key pair, readable only by its owner
NAME.public.json      public key, to be copied to other computers
allowed/NAME.json     clients that a server accepts, each with its role; no others are accepted
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import zmq

from robots.bridge.errors import KeyProblem

# May read and stop; may command as well; may take over as well.
Role = Literal["viewer", "policy", "human"]
T = TypeVar("T")
ROLES: tuple[Role, ...] = ("viewer", "policy", "human")
RECHECK = 1.0  # [s] between checks of the folder
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,47}")
_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


class PublicKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A public key."""

    name: str
    public: str


class SecretKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key pair. Its `repr` shows only the public key."""

    name: str
    public: str
    secret: str

    def __repr__(self) -> str:
        return f"SecretKey({self.name}, {self.public})"


class AllowedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client on the allow-list."""

    name: str
    public: str
    role: Role


def default_folder() -> Path:
    """`$PALME_KEYS`, or `.palme/keys` in the home directory."""
    return Path(os.environ.get("PALME_KEYS") or Path.home() / ".palme" / "keys")


def new(folder: Path, name: str) -> SecretKey:
    """Make a key pair and write both files. Raises KeyProblem if the name exists; nothing is replaced."""
    _check_name(name)
    public, secret = (half.decode() for half in zmq.curve_keypair())
    key = SecretKey(name, public, secret)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{name}.secret.json"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyProblem(
            f"{path} exists; keys are never replaced: choose another name or remove it"
        ) from None
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(key))
    _write(folder / f"{name}.public.json", PublicKey(name, public))
    return key


def allow(folder: Path, public: PublicKey, role: Role) -> AllowedKey:
    """Allow the holder of `public` as `role`. A running server accepts it at once. Raises KeyProblem."""
    if role not in ROLES:
        raise KeyProblem(f"role {role!r} is none of {list(ROLES)}")
    _check_name(public.name)
    allowed = AllowedKey(public.name, public.public, role)
    (folder / "allowed").mkdir(mode=0o700, parents=True, exist_ok=True)
    AllowList(folder).check()
    for path, entry in _entries(sorted((folder / "allowed").glob("*.json")))[0].items():
        if (entry.name == public.name) != (entry.public == public.public):
            twice, remedy = "this key", "remove it first"
            if entry.name == public.name:
                twice, remedy = "the name of another key", "remove it, or make the new key by another name"
            raise KeyProblem(f"{path} lists {twice} already, as {entry.role}; {remedy}")
    _write(folder / "allowed" / f"{public.name}.json", allowed)
    return allowed


def load_secret(folder: Path, name: str) -> SecretKey:
    """The key pair `name`.

    Raises:
        KeyProblem: the file is missing, malformed, or readable by others than its owner.
    """
    path = folder / f"{name}.secret.json"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise KeyProblem(f"{path}: {error.strerror}; make it with `palme keys new name={name}`") from None
    if mode & 0o077:
        raise KeyProblem(f"{path} has mode {mode:04o}: others can read it; `chmod 600` it, or make a new one")
    if problem := _writable_by_others(folder, sticky=True):
        raise KeyProblem(f"{problem}: they could replace keys; `chmod go-w {folder}`")
    return _read(path, SecretKey)


def load_public(path: Path, whose: str = "the computer where `palme keys new` made it") -> PublicKey:
    """The public key in `path`.

    Raises:
        KeyProblem: the file is malformed, a secret key, or missing; then `whose` names its source.
    """
    if path.name.endswith(".secret.json"):
        public = path.name.replace(".secret.json", ".public.json")
        raise KeyProblem(
            f"{path} is the secret key, which only its owner may have; give {public} of the same folder"
        )
    if not path.exists():
        raise KeyProblem(f"{path}: no such file; copy {path.name} from {whose}")
    return _read(path, PublicKey)


def secrets(folder: Path) -> list[str]:
    """Names of the key pairs in `folder`."""
    return sorted(p.name.removesuffix(".secret.json") for p in folder.glob("*.secret.json"))


class AllowList:
    """Clients that a server accepts, read again when the folder changes. An empty folder allows none.

    A folder or a file that others can write into allows none either, nor does a key or a name that two files
    list: which of their roles was meant is not known.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "allowed"
        self._seen: tuple[tuple[str, int, int, int], ...] | None = None
        self._keys: dict[str, AllowedKey] = {}
        self._broken: list[str] = []
        self._looked = -1.0

    def find(self, public: str) -> AllowedKey | None:
        """The entry of the key `public` (Z85), or None.

        Called for every frame, so the folder is checked only every `RECHECK` [s]. A removed key is refused
        within that time, also while connected.
        """
        now = time.monotonic()
        if not 0 <= now - self._looked < RECHECK:
            self.keys()
            self._looked = now
        return self._keys.get(public)

    def keys(self) -> dict[str, AllowedKey]:
        """Every entry by its key. A file that is unreadable or being removed allows no client."""
        try:
            self.check()
        except KeyProblem as problem:
            self._seen, self._keys, self._broken = None, {}, [str(problem)]
            return self._keys
        versions = (_version(path) for path in self.folder.glob("*.json"))
        seen = tuple(sorted(version for version in versions if version is not None))
        if seen != self._seen:
            entries, broken = _entries([self.folder / version[0] for version in seen])
            twice = _listed_twice(entries)
            self._keys = {key.public: key for path, key in entries.items() if path not in twice}
            self._broken, self._seen = [*broken, *dict.fromkeys(twice.values())], seen
        return self._keys

    def check(self) -> None:
        """Raise KeyProblem if others can write into the folder, or could replace it."""
        for path, sticky in ((self.folder, False), (self.folder.parent, True)):
            if problem := _writable_by_others(path, sticky):
                raise KeyProblem(f"{problem}: they could allow their own keys; `chmod go-w {path}`")

    def broken(self) -> list[str]:
        """The problem of each entry that cannot be read, and so allows no client."""
        self.keys()
        return self._broken


def _writable_by_others(path: Path, sticky: bool = False) -> str:
    """Says that others than the owner can write to `path`; "" = they cannot, or it is not there.

    Args:
        sticky: whether a folder in which nobody removes the files of others, such as /tmp, will do.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""
    if not mode & 0o022 or (sticky and mode & stat.S_ISVTX):
        return ""
    return f"{path} has mode {stat.S_IMODE(mode):04o}: others can write to it"


def _entries(paths: Iterable[Path]) -> tuple[dict[Path, AllowedKey], list[str]]:
    """The readable entries of an allow-list, and the problems of the others."""
    found, broken = {}, []
    for path in paths:
        try:
            if problem := _writable_by_others(path):
                raise KeyProblem(f"{problem}: they could change its key or role; `chmod go-w` it")
            found[path] = _read(path, AllowedKey)
        except KeyProblem as error:
            broken.append(str(error))
    return found, broken


def _listed_twice(entries: Mapping[Path, AllowedKey]) -> dict[Path, str]:
    """The problem of each entry whose key or name another one has as well."""
    out: dict[Path, str] = {}
    for field, what in (("public", "the same key"), ("name", "the same name")):
        by_value: dict[str, list[Path]] = {}
        for path, key in entries.items():
            by_value.setdefault(getattr(key, field), []).append(path)
        for paths in by_value.values():
            if len(paths) > 1:
                listed = " and ".join(f"{path} (as {entries[path].role})" for path in paths)
                for path in paths:
                    out.setdefault(path, f"{listed} list {what}: neither counts; remove all but one")
    return out


def _version(path: Path) -> tuple[str, int, int, int] | None:
    """Identifies the version of a file; None if it was just removed."""
    try:
        found = path.stat()
    except OSError:
        return None
    return path.name, found.st_mtime_ns, found.st_size, found.st_mode


def _read(path: Path, kind: type[T]) -> T:
    try:
        text = path.read_text(encoding="utf-8")
        key = msgspec.convert(
            json.loads(text, object_pairs_hook=lambda pairs: _once(path, text, pairs)), kind
        )
    except OSError as error:
        raise KeyProblem(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise KeyProblem(f"{path} is no {kind.__name__}: {error}") from None
    for field in ("public", "secret"):
        if not _Z85.fullmatch(getattr(key, field, "0" * 40)):
            raise KeyProblem(f"{path}: {field} is not a CURVE key of 40 Z85 characters")
    return key


def _once(path: Path, text: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """`pairs` as a dict. Raises KeyProblem if a field is there twice: readers differ in which one counts."""
    for field, _ in pairs:
        if sum(name == field for name, _ in pairs) > 1:
            lines = [text.count("\n", 0, at.start()) + 1 for at in re.finditer(f'"{re.escape(field)}"', text)]
            where = " and ".join(map(str, lines))
            raise KeyProblem(f"{path}: {field!r} is given more than once, on lines {where}; keep one")
    return dict(pairs)


def _write(path: Path, key: msgspec.Struct) -> None:
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(msgspec.json.encode(key) + b"\n")
    beside.chmod(0o644)  # whatever the umask: an entry that others can write to is refused
    beside.replace(path)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise KeyProblem(f"{name!r}: a key's name has letters, digits, '_', '.' and '-', at most 48")
