"""The base install has no code that reads pickles; GELLO's is a distribution of its own."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from setuptools import find_namespace_packages

from palme.cli.commands.serve_gello import main
from palme.cli.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]


def base_packages() -> set[str]:
    """What setuptools puts into the base wheel."""
    find = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    assert find["namespaces"]
    return set(find_namespace_packages(str(ROOT), find["exclude"], find["include"]))


def test_the_base_wheel_holds_no_reader_of_pickles() -> None:
    packages = base_packages()
    assert {"robots", "robots.policy_servers", "robots.drivers", "sim", "palme", "palme.cli"} <= packages
    assert not any(name.startswith("robots.gello") for name in packages)
    for name in packages:
        for path in (ROOT / name.replace(".", "/")).glob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert "import pickle" not in text and "from pickle" not in text, path  # pickletools too


def test_its_own_distribution_names_every_file_it_has() -> None:
    folder = ROOT / "robots" / "gello"
    own = tomllib.loads((folder / "pyproject.toml").read_text())
    assert own["project"]["name"] == "palme-gello" and own["project"]["dependencies"] == ["palme-stack"]
    assert own["tool"]["setuptools"]["packages"] == ["robots.gello"]
    assert not [path for path in folder.iterdir() if path.is_dir() and (path / "__init__.py").exists()]


def test_serving_gello_without_it_names_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "robots.gello", None)
    monkeypatch.setitem(sys.modules, "robots.gello.server", None)
    with pytest.raises(UsageError, match=r"guest=gello is not installed.*pip install \./robots/gello"):
        main(["guest=gello"])
