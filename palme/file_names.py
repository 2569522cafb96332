"""Settings that name a file or a folder: a leading `~` on the command line is the home directory."""

from __future__ import annotations

from typing import Annotated

FILE_NAME = "names a file or a folder"  # the mark of `FileName`, found in a field's type hint
FileName = Annotated[str, FILE_NAME]  # as text, so that "" can mean none
