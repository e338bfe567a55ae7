"""sqlite: databases in files."""

from __future__ import annotations

from typing import Any

from ..capability import capability
from ..host.context import Context
from ..host.files import databases
from ..host.files.databases import QueryOptions, Rows


@capability("sqlite.query", since="0.1", needs="fs.read", tool="sqlite_query")
async def query(
    ctx: Context,
    path: str,
    sql: str,
    params: list[Any] | dict[str, Any] | None = None,
    options: QueryOptions = QueryOptions(),
) -> Rows:
    """Asks a SQLite database in a file of at most 16 MB. It may only be read unless the options
    say otherwise; no other database can be attached.

    path: path of the file.
    sql: one statement, with ? or :name where values belong.
    params: the values: a list for ?, a map for :name.
    options: whether it may change the database, and how much it may give and take.
    returns: the rows.
    """
    files, spend = ctx.services.files, ctx.meter.charge_disk
    async with ctx.beside.confined:
        return await databases.query(files, spend, path, sql, params or [], options)
