"""The lines between the packages, read from the source: who may import whom."""

from __future__ import annotations

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent
STANDARD = set(sys.stdlib_module_names)
ALLOWED = {
    "robots": {"robots", "numpy", "msgspec", "ruckig", "yaml", "zmq", "websockets"},
    "sim": {"sim", "robots", "numpy", "pybullet", "pybullet_data", "gymnasium", "cv2", "yaml", "msgspec"},
}
FORBIDDEN = {"palme": {"pybullet", "pybullet_data", "zmq", "websockets", "sim"}}
# distributions of their own, for environments of others
APART = (ROOT / "sim" / "lerobot_env_palme", ROOT / "sim" / "vla_eval_palme")
LAZY = {"pybullet", "pybullet_data", "torch", "transformers", "websockets"}  # only inside functions


def files_in(folder: str) -> list[Path]:
    """Every source file below `folder`; there are some."""
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files, folder
    return files


def sources(package: str) -> list[Path]:
    files = (p for p in files_in(package) if not set(APART) & set(p.parents))
    return [p for p in files if "cli" not in p.relative_to(ROOT).parts[1:2]]


def imports(path: Path) -> list[tuple[str, bool]]:
    """(top-level package, whether it is imported when the file is) of every import in a file."""
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, at_import: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend((alias.name.split(".")[0], at_import) for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.level == 0:
                found.append(((child.module or "").split(".")[0], at_import))
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
            visit(child, at_import and not inside and not typing_only)

    visit(ast.parse(path.read_text(encoding="utf-8")), True)
    return found


@pytest.mark.parametrize("package", ["robots", "sim", "palme"])
def test_packages_import_only_what_they_may(package: str) -> None:
    for path in sources(package):
        for name, _ in imports(path):
            ok = name not in FORBIDDEN.get(package, set())
            if package in ALLOWED:
                ok = name in ALLOWED[package] or name in STANDARD
            assert ok, f"{path.relative_to(ROOT)} imports {name}"


def test_teleoperation_does_not_need_the_bridge() -> None:
    for path in files_in("robots/teleop"):
        assert "robots.bridge" not in path.read_text(encoding="utf-8"), path.relative_to(ROOT)


def test_no_pickle_anywhere() -> None:
    unpicklers = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
    for package in ("robots", "sim", "palme"):
        for path in files_in(package):
            where = str(path.relative_to(ROOT))
            found = {name for name, _ in imports(path)}
            assert not found & unpicklers, f"{where} imports {found & unpicklers}"
            # GELLO's bytes are pickles: their opcodes are read in that one file, and never run
            assert "pickletools" not in found or where == "robots/gello/messages.py", where


@pytest.mark.parametrize("package", ["robots", "sim"])
def test_pybullet_opens_lazily(package: str) -> None:
    for path in sources(package):
        for name, at_import in imports(path):
            assert not (at_import and name in LAZY), f"{path.relative_to(ROOT)} imports {name} when imported"


def test_recorded_data_need_no_learning_stack() -> None:
    for path in files_in("palme/data"):
        for name, _ in imports(path):
            ok = name in {"palme", "robots", "numpy", "pyarrow", "av"} or name in STANDARD
            assert ok, f"{path.relative_to(ROOT)} imports {name}"


def test_symbolic_tasks_need_no_physics() -> None:
    for path in [*files_in("sim/tasks"), ROOT / "sim" / "world" / "state.py"]:
        for name, _ in imports(path):
            assert name not in {"pybullet", "cv2", "gymnasium"}, f"{path.relative_to(ROOT)} imports {name}"


def test_no_module_imports_itself_in_a_circle() -> None:
    """Imports inside functions count too: a circle is a circle wherever it is closed."""
    graph = grimp.build_graph("robots", "sim", "palme")
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imported) > 300
    order = TopologicalSorter(imported)
    try:
        order.prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
