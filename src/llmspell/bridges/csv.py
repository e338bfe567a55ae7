"""csv: tables as text."""

from __future__ import annotations

from typing import Any

from ..capability import capability
from ..host.context import Context
from ..host.formats import tables
from ..host.formats.tables import CsvOptions


@capability("csv.decode", since="0.1", tool="csv_parse", beside=2000)
def decode(ctx: Context, text: str, options: CsvOptions = CsvOptions()) -> list[Any]:
    """Reads CSV text. Every cell is text.

    text: the CSV text; cells with the delimiter, quotes or line ends stand in quotes.
    options: how it is written.
    returns: the rows: maps by the names of the columns, or lists when there is no header.
    """
    return tables.read(text, options)


@capability("csv.encode", since="0.1", tool="csv_format", beside=2000)
def encode(ctx: Context, rows: list[Any], options: CsvOptions = CsvOptions()) -> str:
    """Writes rows as CSV text.

    rows: the rows, all maps or all lists; cells are text, numbers or booleans.
    options: how to write them.
    returns: the text.
    """
    return tables.write(rows, options)
