"""What README and docs name exists: paths, commands, settings, imports, classes; docs/extending.md runs."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from palme.cli.commands.bench import BENCHES
from palme.cli.config import compose, is_override
from palme.cli.main import COMMANDS
from palme.cli.settings import CONFIGS
from palme.cli.words import settings_file
from palme.training.recipes import RECIPES
from robots import serve

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "palme").rglob("*.md")])
EXTENDING = ROOT / "docs" / "extending.md"
PACKAGES = ("palme", "sim", "robots")
OF_OTHERS = {
    "LeRobotDataset",
    "PolicyClient",
    "ZMQClientRobot",
    "PreTrainedModel",
    "JointPosition",
    "Gripper",
}

FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.M | re.S)
PATH = re.compile(
    rf"(?<![\w./~\"-])(?!palme/\w+-v0)(?:{'|'.join((*PACKAGES, 'configs', 'tests', 'docs'))})/[\w./-]*[\w/]"
)
DOTTED = re.compile(rf"(?<![\w./-])(?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*)+")
CLASS = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]*)+|[A-Z][a-z]+(?=\.[a-z])")
MADE = re.compile(r"^`([\w./-]+)`:$", re.M)  # the line above a block that holds the whole of a new file

each_doc = pytest.mark.parametrize("doc", DOCS, ids=lambda d: str(d.relative_to(ROOT)))


def blocks(text: str, *languages: str) -> list[str]:
    """Fenced blocks of these languages, without their indentation."""
    return [textwrap.dedent(m[3]) for m in FENCE.finditer(text) if m[2] in languages]


def spans(text: str) -> list[str]:
    """Inline code of prose and tables."""
    return re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", FENCE.sub("", text))


def code(text: str) -> str:
    return "\n".join([*spans(text), *(m[3] for m in FENCE.finditer(text))])


def commands(text: str, program: str) -> Iterator[list[str]]:
    """The words after `program`, wherever a command begins with it; `a | b` and comments end it."""
    shell = "\n".join([*blocks(text, "sh", ""), *(" ".join(s.split()) for s in spans(text))])
    for line in shell.replace("\\\n", " ").splitlines():
        for part in re.split(r" && | \| |\s+#", line):
            words = part.strip()
            if words.startswith(f"{program} "):
                yield shlex.split(words.rstrip(":"))[len(program.split()) :]


def resolve(name: str) -> object:
    """The module, class or attribute that a dotted name means. Raises AttributeError, ImportError."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        if n == 1 or _is_module(".".join(parts[:n])):
            found: object = importlib.import_module(".".join(parts[:n]))
            for attribute in parts[n:]:
                fields = getattr(found, "__dataclass_fields__", {})
                found = getattr(found, attribute) if attribute not in fields else fields[attribute]
            return found
    raise ImportError(name)


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def check_command(words: list[str]) -> None:
    """Raises UsageError, BadSetting or AssertionError for a command or a setting that does not exist."""
    name, rest = words[0], [w for w in words[1:] if not set(w) & {"…", "*"} and "..." not in w]
    if name.startswith("-") or name.isupper() or name == "help":
        return
    assert name in COMMANDS, f"palme {name}"
    given = [re.split(r"\|", w)[0] for w in rest if is_override(w)]
    plain = [w for w in rest if not is_override(w) and not w.startswith("-")]
    keys = {w.partition("=")[0] for w in given}
    if name == "serve":
        if keys & {"robot", "backend"}:
            from palme.cli.commands.serve_arm import Settings

            serve.parse(given, Settings())
            return
        name = settings_file(name, given) or "serve_policy"
        if not keys:
            return
        check_settings(name, [w for w in given if not w.startswith("guest=")])
        return
    if name in ("bench", "data", "train") and plain:
        known = {
            "bench": BENCHES,
            "train": RECIPES,
            "data": [c[5:] for c in CONFIGS if c.startswith("data_")],
        }
        for what in plain[0].split("|"):
            assert what in known[name] or what.isupper(), f"palme {name} {what}"
            if what in known[name]:
                check_settings(f"{name}_{what}", given)
    else:
        check_settings(name, given)


def check_settings(config: str, given: list[str]) -> None:
    """Raises UsageError or AssertionError for a setting that `configs/CONFIG.yaml` lacks."""
    if (ROOT / "configs" / f"{config}.yaml").exists():
        chosen = [w for w in given if (ROOT / "configs" / w.partition("=")[0]).is_dir()]
        keys = settings_of(config, tuple(chosen))
        for word in given:
            assert word in chosen or word.partition("=")[0] in keys, f"{config} has no setting {word}"


@cache
def settings_of(config: str, chosen: tuple[str, ...]) -> set[str]:
    """Every dotted key, once these files of groups are chosen."""
    found: dict[str, object] = dict(compose(config, chosen))
    for key in list(found):
        pending = [key]
        while pending:
            at = pending.pop()
            value = found[at]
            if isinstance(value, dict):
                found |= {f"{at}.{k}": v for k, v in value.items()}
                pending += [f"{at}.{k}" for k in value]
    return set(found)


@each_doc
def test_every_path_exists(doc: Path) -> None:
    text = doc.read_text(encoding="utf-8")
    made = set(MADE.findall(text))
    for path in PATH.findall(code(text)):
        assert (ROOT / path).exists() or path in made, f"{path} does not exist"
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert "://" in target or (doc.parent / target).exists(), f"link to {target} leads nowhere"


@each_doc
def test_every_anchor_exists(doc: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", doc.read_text(encoding="utf-8")):
        if "://" not in target:
            there = (doc.parent / target if target else doc).read_text(encoding="utf-8")
            heads = re.findall(r"^#+ (.*)$", FENCE.sub("", there), re.M)
            slugs = [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads]
            assert anchor in slugs, f"{target}#{anchor}: headings are {slugs}"


@each_doc
def test_every_command_and_setting_exists(doc: Path) -> None:
    text = doc.read_text(encoding="utf-8")
    for words in commands(text, "palme") if doc != EXTENDING else ():  # those are run, below
        check_command(words)
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for words in commands(text, "make"):
        assert words[0] in targets, f"make {words[0]}"
    for words in commands(text, "python -m"):
        assert _is_module(words[0]), f"python -m {words[0]}"


@each_doc
def test_every_import_and_dotted_name_exists(doc: Path) -> None:
    text = doc.read_text(encoding="utf-8")
    made = {path.removesuffix(".py").replace("/", ".") for path in MADE.findall(text)}
    for block in blocks(text, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module not in made:
                for alias in node.names:
                    if str(node.module).split(".")[0] in PACKAGES:
                        resolve(f"{node.module}.{alias.name}")
    for name in DOTTED.findall("\n".join(spans(text))):
        if not any(name.startswith(m) for m in made) and not name.endswith((".md", ".py")):
            resolve(name)


@each_doc
def test_every_class_exists(doc: Path) -> None:
    sources = (p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
    known = {w for p in sources for w in re.findall(r"class (\w+)", p.read_text(encoding="utf-8"))}
    text = doc.read_text(encoding="utf-8")
    known |= OF_OTHERS | set(re.findall(r"class (\w+)", text))
    for name in (m[0] for span in spans(text) for m in [CLASS.match(span)] if m):
        assert name in known, name


def test_the_python_of_the_readme_runs() -> None:
    (snippet,) = blocks((ROOT / "README.md").read_text(encoding="utf-8"), "python")
    done = subprocess.run([sys.executable, "-c", snippet], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert " in the " in done.stdout


def test_the_readme_is_short() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 200
    assert not [line for line in lines if line.startswith("|") and len(line) > 240]
    paragraphs = FENCE.sub("", "\n".join(lines)).split("\n\n")
    prose = [p for p in paragraphs if p[:1].isalpha()]
    assert not [p for p in prose if len(p.splitlines()) > 4]


@each_doc
def test_lines_are_no_longer_than_an_editor_is_wide(doc: Path) -> None:
    """Rows of tables cannot be broken."""
    lines = enumerate(doc.read_text(encoding="utf-8").splitlines(), 1)
    assert not [k for k, line in lines if not line.startswith("|") and len(line) > 120]


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages with every file that extending.md adds."""
    root = tmp_path_factory.mktemp("extended")
    for name in (*PACKAGES, "configs", "tests"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("weights", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "palme" / "weights").symlink_to(ROOT / "palme" / "weights")
    text = EXTENDING.read_text(encoding="utf-8")
    files = re.findall(r"^`([\w./-]+)`:\n\n```\w*\n(.*?)^```$", text, re.M | re.S)
    assert [path for path, _ in files] == MADE.findall(text)
    for path, content in files:
        assert not (root / path).exists()
        (root / path).write_text(content, encoding="utf-8")
    lines = re.findall(r"^In `([\w./-]+)`, below `([^`\n]+)`:\n\n```\w*\n(.*?)^```$", text, re.M | re.S)
    assert len(lines) == text.count("\nIn `")
    for path, after, line in lines:
        before = (root / path).read_text(encoding="utf-8")
        assert before.count(f"{after}\n") == 1, f"{path} has no line {after!r}"
        at = before.index(f"{after}\n") + len(after) + 1
        (root / path).write_text(before[:at] + line + before[at:], encoding="utf-8")
    return root


def steps() -> list[str]:
    return [c for b in blocks(EXTENDING.read_text(encoding="utf-8"), "sh") for c in b.strip().splitlines()]


@pytest.mark.parametrize("step", steps())
def test_the_commands_of_extending_run(step: str, extended: Path) -> None:
    program, *words = shlex.split(step)
    command = [sys.executable, "-m", {"palme": "palme.cli.main", "pytest": "pytest"}[program], *words]
    environment = {**os.environ, "PYTHONPATH": str(extended), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=extended, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
