"""What a column of a table may hold: its kind, its bounds, whether it may be empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from palme.data.problem import shown

HUGE = 2**53


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        kind: "int", "real", "text" or "bool".
        many: how deep each value is a list of those: 0 for none, 1 for a list, 2 for lists of lists.
        nullable: whether a value may be empty.
        low, high: bounds of numbers, both included.
        optional: whether the column may be missing.
    """

    kind: str
    many: int = 0
    nullable: bool = False
    low: float = 0
    high: float = HUGE
    optional: bool = False

    @property
    def expected(self) -> str:
        """What it holds, for a message."""
        one = {"int": "whole number", "real": "number", "text": "text", "bool": "truth value"}[self.kind]
        bounds = f" in [{self.low:g}, {self.high:g}]" if self.kind in ("int", "real") else ""
        return f"{'lists of ' * self.many}{one}{'s' if self.many else ''}{bounds}"


_OF_KIND = {
    "int": pa.types.is_integer,
    "real": lambda kind: pa.types.is_floating(kind) or pa.types.is_integer(kind),
    "text": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
    "bool": pa.types.is_boolean,
}


def is_list(kind: pa.DataType) -> bool:
    """Whether a column of `kind` holds lists."""
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def nested(kind: pa.DataType) -> tuple[pa.DataType, int]:
    """The type of the entries of a column, and how deep its lists are."""
    depth = 0
    while is_list(kind):
        kind, depth = kind.value_type, depth + 1
    return kind, depth


def column_problems(
    table: pa.Table, columns: Mapping[str, Column], rows: NDArray[np.bool_] | None = None
) -> Iterator[str]:
    """What is wrong with a table's columns, one sentence a column.

    Args:
        table: its rows.
        columns: what they should hold.
        rows: (n,) the rows whose bounds are checked; None = all.
    """
    for name, column in columns.items():
        if table.column_names.count(name) > 1:
            yield f"column {name} stands there {table.column_names.count(name)} times"
        elif name not in table.column_names:
            if not column.optional:
                yield f"column {name} is missing, expected {column.expected}"
        elif problem := _problem(table[name], column, rows):
            yield f"column {name} {problem}, expected {column.expected}"


def _problem(values: pa.ChunkedArray, column: Column, rows: NDArray[np.bool_] | None) -> str:
    array: Any = values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    kind = array.type
    if len(array) == array.null_count and column.nullable:
        return ""
    if nested(kind)[1] != column.many or not _OF_KIND[column.kind](nested(kind)[0]):
        return f"holds {kind} {_first(array)}".rstrip()
    if array.null_count and not column.nullable:
        return f"is empty in row {int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])}"
    owner = np.arange(len(array))
    for _ in range(column.many):
        if rows is not None:
            array, owner, rows = array.filter(pa.array(rows)), owner[rows], None
        lengths = array.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        owner = np.repeat(owner, lengths)
        array = array.flatten()
        if array.null_count:
            return f"has an empty entry in row {owner[array.is_null().to_numpy(zero_copy_only=False)][0]}"
    if column.kind == "text":
        try:
            array.to_pylist()
        except UnicodeDecodeError as error:
            return f"holds bytes that are not UTF-8 ({error.reason})"
    if column.kind in ("int", "real"):
        present = ~array.is_null().to_numpy(zero_copy_only=False)
        if rows is not None:
            present &= rows
        numbers = array.fill_null(0).to_numpy(zero_copy_only=False)
        bad = np.flatnonzero(present & ~((column.low <= numbers) & (numbers <= column.high)))
        if bad.size:
            return f"is {shown(numbers[bad[0]].item())} in row {owner[bad[0]]}"
    return ""


def _first(array: Any) -> str:
    try:
        return shown(array[0].as_py()) if len(array) else ""
    except UnicodeDecodeError:
        return "that are not UTF-8"
