"""A name of a registry stands for one object, loaded when first asked for."""

from __future__ import annotations

import sys

import pytest

from palme.registry import Registry, UnknownName


def test_entry_is_loaded_once_and_only_when_looked_up() -> None:
    loads: list[str] = []
    registry: Registry[object] = Registry(
        "toy", {"a": lambda: loads.append("a") or object(), "b": "no_such_module:Thing"}
    )
    assert list(registry) == ["a", "b"] and "b" in registry and len(registry) == 2
    assert not loads
    assert registry["a"] is registry["a"]
    assert loads == ["a"]


def test_module_path_names_an_attribute() -> None:
    sys.modules.pop("colorsys", None)
    registry: Registry[object] = Registry("function", {"hsv": "colorsys:rgb_to_hsv"})
    assert "colorsys" not in sys.modules
    assert registry["hsv"] is sys.modules["colorsys"].rgb_to_hsv


def test_unknown_name_lists_the_known_and_the_nearest() -> None:
    registry: Registry[int] = Registry("encoder", {"siglip": lambda: 1, "dinov2": lambda: 2})
    with pytest.raises(
        UnknownName, match=r"unknown encoder 'siglib'; did you mean 'siglip'\?.*dinov2, siglip"
    ):
        registry["siglib"]
    assert "siglib" not in registry and registry.get("siglib") is None


def test_a_name_is_registered_once() -> None:
    registry: Registry[int] = Registry("encoder", {"a": lambda: 1})
    registry.register("b", lambda: 2)
    assert registry["b"] == 2
    with pytest.raises(ValueError, match="registered twice"):
        registry.register("b", lambda: 3)
