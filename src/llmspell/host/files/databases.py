"""SQLite databases in files that the grants allow.

The file is read as a whole and asked in a process of its own (see `database`), which has it in
memory: SQL opens no file. With `write`, the changed database replaces the file at once, or not at
all.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ...errors import BadArgument, CapabilityError, FileFailure, FileNotFound, HostFailure
from ...values import kind_of
from .. import confined
from . import database

if TYPE_CHECKING:
    from .files import Files

MAX_ROWS = 10_000
MAX_PARAMS = 32_766
"""As many as a statement of SQLite has."""

MAX_TIMEOUT = 10.0
GRACE = 20.0
"""Seconds beyond its timeout until the process is killed: starting takes time on a busy machine."""

HEADER = b"SQLite format 3\0"
WAL = 2
"""The version number of a database whose latest changes are in a second file."""


_turns: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()
"""By event loop and path. Who changes a file reads it first: one after another."""


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """How to ask a database.

    write: whether the query may change it; needs a grant to write the file, which is made when it
        is missing.
    limit: how many rows at most, up to 10,000.
    timeout: seconds until it is given up, up to 10.
    """

    write: bool = False
    limit: int = 1000
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Rows:
    """The answer of a database.

    columns: names of the columns.
    rows: a map for each row, without the cells that are NULL.
    more: whether there are more rows than were asked for.
    changed: how many rows were changed.
    """

    columns: list[str]
    rows: list[dict[str, Any]]
    more: bool
    changed: int


async def query(
    files: Files,
    spend: Callable[[int], None],
    path: str,
    sql: str,
    params: list[Any] | dict[str, Any],
    options: QueryOptions,
) -> Rows:
    """The answer to one statement. Raises HostFailure with what SQLite says."""
    if not 1 <= options.limit <= MAX_ROWS:
        raise BadArgument(f"limit must be 1 to {MAX_ROWS}, got {options.limit}")
    if not 0 < options.timeout <= MAX_TIMEOUT:
        raise BadArgument(f"timeout must be above 0 and at most {MAX_TIMEOUT:g} seconds")
    if len(params) > MAX_PARAMS:
        raise BadArgument(f"params must be at most {MAX_PARAMS}, got {len(params)}")
    async with _turn(os.path.join(files.base, path)) if options.write else nullcontext():
        data = _content(files, path, options.write)
        job = {
            "sql": sql,
            "params": _plain(params),
            "write": options.write,
            "limit": options.limit,
            "timeout": options.timeout,
        }
        sent = json.dumps(job).encode() + b"\n" + data
        told = await confined.run(database.__file__, sent, options.timeout + GRACE)
        if told is None:
            raise HostFailure("the query took too much time or memory", code="too_large")
        line, _, after = told.partition(b"\n")
        answer = json.loads(line)
        if "error" in answer:
            code = "timeout" if answer.get("late") else "sql"
            raise HostFailure(f"{path[:200]}: {answer['error'][:500]}", code=code)
        if options.write and after != data:
            files.write(path, after, spend)
    columns = answer["columns"]
    rows = [_row(columns, row) for row in answer["rows"]]
    return Rows(columns, rows, answer["more"], answer["changed"])


def _turn(path: str) -> asyncio.Lock:
    key = id(asyncio.get_running_loop()), os.path.realpath(path)
    return _turns.setdefault(key, asyncio.Lock())


def _content(files: Files, path: str, write: bool) -> bytes:
    """The bytes of the database, in a form that can be had in memory."""
    for suffix in ("-wal", "-journal"):
        try:
            busy = files.info(path + suffix).size > 0
        except CapabilityError:
            continue
        if busy:
            raise FileFailure(
                f"{path[:200]} is being changed: {path[-60:]}{suffix} holds what is not in it yet",
                code="busy",
            )
    try:
        data = files.read(path)
    except FileNotFound:
        if write:
            return b""
        raise
    if data and not data.startswith(HEADER):
        raise FileFailure(f"{path[:200]} is not a SQLite database", code="malformed")
    if len(data) > 19 and data[18] == WAL:
        data = data[:18] + b"\1\1" + data[20:]
    return data


def _plain(params: list[Any] | dict[str, Any]) -> Any:
    if isinstance(params, dict):
        return {name: _cell(value, f"params.{name[:100]}") for name, value in params.items()}
    return [_cell(value, f"params[{place}]") for place, value in enumerate(params, 1)]


def _cell(value: Any, path: str) -> Any:
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, str | int | float | bool | None):
        return value
    raise BadArgument(f"{path} must be text, a number, a boolean or bytes, got {kind_of(value)}")


def _row(columns: list[str], cells: list[Any]) -> dict[str, Any]:
    told = {}
    for name, cell in zip(columns, cells, strict=True):
        if cell is not None and not name.startswith("\0"):
            told[name] = bytes.fromhex(cell["bytes"]) if isinstance(cell, dict) else cell
    return told
