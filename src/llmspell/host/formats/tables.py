"""CSV: text to rows and back."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

from ...errors import BadArgument
from ...values import kind_of

MAX_TEXT = 4 * 1024 * 1024
"""Characters of a table."""

MAX_CELLS = 90_000
"""As many as may cross into a script."""

MAX_WRITTEN = 250_000
"""Cells that are written, those included that a row leaves empty: about a tenth of a second."""


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """How a table is written.

    delimiter: the character between cells.
    header: whether the first row has the names of the columns.
    columns: the names of the columns and their order; when left out, those of the first row that is
        read; of rows that are written those of each row, sorted, as they first come. Rows are maps
        where there are names, else lists.
    """

    delimiter: str = ","
    header: bool = True
    columns: list[str] | None = None

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n ':
            raise ValueError("delimiter must be one character, and no quote, blank or line end")


def read(text: str, options: CsvOptions) -> list[Any]:
    """The rows of a table. Raises BadArgument with the line of a mistake."""
    if len(text) > MAX_TEXT:
        raise BadArgument(f"the CSV is longer than {MAX_TEXT} characters")
    csv.field_size_limit(max(csv.field_size_limit(), MAX_TEXT))  # of the process; never less
    rows = csv.reader(
        io.StringIO(text.removeprefix("\ufeff"), newline=""),
        delimiter=options.delimiter,
        strict=True,
    )
    columns = options.columns
    told: list[Any] = []
    cells = 0
    try:
        first = next(rows, []) if options.header else None
        if first is not None and columns is None:
            columns = first
        if columns is not None:
            _check_names(columns)
        for row in rows:
            if not row:
                continue  # an empty line is no row
            cells += len(row) + 1
            if cells > MAX_CELLS:
                raise BadArgument(f"the CSV has more than {MAX_CELLS} cells")
            told.append(_named(row, columns, rows.line_num) if columns is not None else row)
    except csv.Error as error:
        raise BadArgument(f"not CSV at line {rows.line_num}: {error}") from None
    return told


def _check_names(columns: list[str]) -> None:
    known: set[str] = set()
    for name in columns:
        if name in known:
            told = f"the CSV has two columns {name[:100]!r}"
            raise BadArgument(f"{told}: read it with header = false")
        known.add(name)
        if name.startswith("\0"):
            raise BadArgument("the name of a column begins with NUL")


def _named(row: list[str], columns: list[str], line: int) -> dict[str, str]:
    if len(row) > len(columns):
        raise BadArgument(
            f"not CSV at line {line}: it has {len(row)} cells, but there are {len(columns)} columns"
        )
    return dict(zip(columns, row, strict=False))


def write(rows: list[Any], options: CsvOptions) -> str:
    """The text of rows, which are lists or maps."""
    columns = None if options.columns is None else dict.fromkeys(options.columns)
    if columns is None and rows and isinstance(rows[0], dict):
        columns = {name: None for row in rows if isinstance(row, dict) for name in row}
    if columns is not None and len(rows) * len(columns) > MAX_WRITTEN:
        raise BadArgument(f"the CSV has more than {MAX_WRITTEN} cells")
    told = io.StringIO(newline="")
    out = csv.writer(told, delimiter=options.delimiter, lineterminator="\n")
    if options.header and columns is not None:
        out.writerow(columns)
    for number, row in enumerate(rows, 1):
        out.writerow(_cells(row, columns, f"rows[{number}]"))
        if told.tell() > MAX_TEXT:
            raise BadArgument(f"the CSV is longer than {MAX_TEXT} characters")
    return told.getvalue()


def _cells(row: Any, columns: dict[str, None] | None, path: str) -> list[str]:
    if isinstance(row, dict):
        if columns is None:
            raise BadArgument(f"{path} is a map, but the rows before are lists")
        for name in row:
            if name not in columns:
                raise BadArgument(f"{path}.{name[:100]} is not a column")
        return [_cell(row.get(name), f"{path}.{name[:100]}") for name in columns]
    if not isinstance(row, list):
        raise BadArgument(f"{path} must be a list or a map, got {kind_of(row)}")
    return [_cell(cell, f"{path}[{place}]") for place, cell in enumerate(row, 1)]


def _cell(value: Any, path: str) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return repr(value)
    raise BadArgument(f"{path} must be text, a number or a boolean, got {kind_of(value)}")
