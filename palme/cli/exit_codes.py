"""What a command's exit code says: one rule for all of them (README, "Exit codes").

0        done; for `palme run`: achieved, or done where no goal was stated
1        not achieved, also where a sentence is refused; or a check found a problem
2        not begun: a setting is wrong, the arm refused, or something it needs is missing; nothing has moved
3        an episode was not recorded, whatever else was achieved
4        something else could not be written: a log, a film, a report, results
128 + n  stopped by signal n: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP
"""

from __future__ import annotations

from palme.cli.signals import first_signal

DONE, FAILED, REFUSED, NOT_RECORDED, NOT_WRITTEN = range(5)
INTERRUPTED = 128


def exit_code(succeeded: bool, recorded: bool = True, written: bool = True, stopped: bool = False) -> int:
    """The code of a command that began.

    Args:
        succeeded: it did what it was asked to do.
        recorded: every episode that it should record is in its data set.
        written: so are its other files.
        stopped: it was ended early, by a signal if one came.
    """
    number = first_signal() if stopped else None
    if not recorded:
        return NOT_RECORDED
    if number is not None:
        return INTERRUPTED + number
    if not written:
        return NOT_WRITTEN
    return DONE if succeeded else FAILED
