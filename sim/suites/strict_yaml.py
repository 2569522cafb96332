"""YAML as people expect it: a key stands once, and `yes`, `no`, `on` and `off` are words, as in YAML 1.2."""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.constructor import ConstructorError

_BOOL = "tag:yaml.org,2002:bool"


class StrictLoader(yaml.SafeLoader):
    """Refuses a mapping that has a key twice, of which the last would win without a word."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """See `yaml.SafeLoader`."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, list | dict):
                raise ConstructorError(None, None, f"a key is {key!r}; keys are words", key_node.start_mark)
            if key in seen:
                raise ConstructorError(None, None, f"{key!r} stands twice", key_node.start_mark)
            seen.add(key)
        made: dict[Any, Any] = super().construct_mapping(node, deep)
        return made


StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
StrictLoader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def load(text: str) -> Any:
    """The content of a YAML text. Raises yaml.YAMLError, RecursionError."""
    return yaml.load(text, Loader=StrictLoader)  # a SafeLoader: it makes plain values alone
