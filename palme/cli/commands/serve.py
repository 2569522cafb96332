"""`palme serve robot=... backend=...`, `policy=...`, `planner=...` or `guest=...`: a server."""

from __future__ import annotations

from collections.abc import Sequence

from palme.cli.errors import UsageError


def main(arguments: Sequence[str]) -> int:
    """Returns 0 after the server is stopped."""
    keys = {word.partition("=")[0] for word in arguments}
    if "guest" in keys:
        from palme.cli.commands.serve_gello import main as serve
    elif "planner" in keys:
        from palme.cli.commands.serve_agent import main as serve
    elif "policy" in keys:
        from palme.cli.commands.serve_policy import main as serve
    elif keys & {"robot", "backend"}:
        from palme.cli.commands.serve_arm import main as serve
    else:
        raise UsageError(
            "name what to serve: palme serve robot=panda backend=sim, "
            "policy=keypose protocol=openpi, planner=palme protocol=vla-eval, or guest=gello"
        )
    return serve(arguments)
