"""`palme serve robot=... backend=...`, `policy=...` or `guest=...`: hands on to the server that is meant."""

from __future__ import annotations

from collections.abc import Sequence

from palme.cli.errors import UsageError


def main(arguments: Sequence[str]) -> int:
    """Returns 0 when the server was asked to end."""
    keys = {word.partition("=")[0] for word in arguments}
    if "guest" in keys:
        from palme.cli.commands.serve_gello import main as serve
    elif "policy" in keys:
        from palme.cli.commands.serve_policy import main as serve
    elif keys & {"robot", "backend"}:
        from palme.cli.commands.serve_arm import main as serve
    else:
        raise UsageError(
            "say what to serve: palme serve robot=panda backend=sim, "
            "policy=keypose protocol=openpi, or guest=gello"
        )
    return serve(arguments)
