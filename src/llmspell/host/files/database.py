"""This unit asks a SQLite database; `databases` runs it as a program of its own.

    main()      reads a job from standard input and writes the answer to standard output

A job is a line of JSON and the bytes of a database; the answer is the same. The database is in
memory: no file is opened, none can be attached. Memory, time and rows are bounded. Run by its path,
it can import nothing of llmspell.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from typing import Any

MEMORY = 512 << 20
SECONDS = 15
MAX_FILE = 16 * 1024 * 1024
MAX_CELLS = 90_000
MAX_ANSWER = 8 * 1024 * 1024
"""Bytes of a database, cells and characters of an answer."""

STEPS = 100_000
"""Instructions between two looks at the clock."""

READING = frozenset({
    sqlite3.SQLITE_READ, sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE,
})  # fmt: skip
NEVER = frozenset({
    sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA,
    sqlite3.SQLITE_CREATE_VTABLE, sqlite3.SQLITE_DROP_VTABLE,
})  # fmt: skip
SHOWN = frozenset({"table_info", "table_list", "index_list", "foreign_key_list"})
"""What may be asked of a database about itself."""

LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 4 * 1024 * 1024,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 500,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 10,
}


def ask(job: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """The rows of a query, and the database as it is after it, if it may be changed."""
    from time import monotonic

    write, due = bool(job["write"]), monotonic() + float(job["timeout"])
    changes: list[int] = []
    base = sqlite3.connect(":memory:", isolation_level=None)
    try:
        if data:
            base.deserialize(data)
        for category, limit in LIMITS.items():
            base.setlimit(category, limit)
        base.execute("PRAGMA trusted_schema = OFF")
        base.execute("PRAGMA cell_size_check = ON")
        base.execute("PRAGMA temp_store = MEMORY")
        base.execute(f"PRAGMA max_page_count = {MAX_FILE // 512}")
        base.set_authorizer(_authorizer(write, changes))
        base.set_progress_handler(lambda: monotonic() > due, STEPS)
        before = base.total_changes
        cursor = base.execute(job["sql"], _params(job["params"]))
        columns = [column[0] for column in cursor.description or ()]
        if twice := next((name for name in columns if columns.count(name) > 1), None):
            return {"error": f"two columns are called {twice}: name one of them with AS"}, b""
        rows, more = _rows(cursor, columns, int(job["limit"]))
        cursor.close()  # one that has more rows is not over, and what it changed not there yet
        told = {"columns": columns, "rows": rows, "more": more, "changed": 0}
        if base.in_transaction:
            return {"error": "a transaction cannot go on after its query"}, b""
        base.set_authorizer(None)
        if base.total_changes > before:
            told["changed"] = base.execute("SELECT changes()").fetchone()[0]  # none of triggers
        # One without a table has no page that could be written.
        empty = write and not base.execute("PRAGMA page_count").fetchone()[0]
        return told, base.serialize() if write and not empty else b""
    except sqlite3.OperationalError as error:
        text = "it took too long" if str(error) == "interrupted" else str(error)
        return {"error": text, "late": text != str(error)}, b""
    except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
        advice = ": set the option write for what changes the database" if changes else ""
        return {"error": str(error) + advice}, b""
    finally:
        base.close()


def _params(given: Any) -> Any:
    def plain(value: Any) -> Any:
        return bytes.fromhex(value["bytes"]) if isinstance(value, dict) else value

    if isinstance(given, dict):
        return {name: plain(value) for name, value in given.items()}
    return [plain(value) for value in given]


def _authorizer(write: bool, changes: list[int]) -> Any:
    """What decides what a statement may do. `changes` gets what only `write` would allow."""

    def decide(action: int, first: str | None, *others: str | None) -> int:
        if action == sqlite3.SQLITE_PRAGMA and first in SHOWN:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and others[0] in ("load_extension", "edit"):
            return sqlite3.SQLITE_DENY
        if action in NEVER:
            return sqlite3.SQLITE_DENY
        if not write and action not in READING:
            changes.append(action)
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    return decide


def _rows(cursor: Any, columns: list[str], limit: int) -> tuple[list[Any], bool]:
    rows: list[Any] = []
    cells = size = 0
    for row in cursor:
        if len(rows) == limit:
            return rows, True
        told = [{"bytes": cell.hex()} if isinstance(cell, bytes) else cell for cell in row]
        cells += len(told) + 1
        size += sum(len(str(cell)) for cell in told)
        if cells > MAX_CELLS or size > MAX_ANSWER:
            return rows, True
        rows.append(told)
    return rows, False


def main() -> None:
    """Does one job."""
    try:
        import resource
    except ImportError:  # Windows: only the time is bounded, by whoever waits
        pass
    else:
        os.nice(10)  # what the host does comes first
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    line, _, data = sys.stdin.buffer.read().partition(b"\n")
    try:
        told, after = ask(json.loads(line), data)
        if len(after) > MAX_FILE:
            told, after = {"error": f"the database would be larger than {MAX_FILE} bytes"}, b""
    except MemoryError:
        told, after = {"error": "it took too much memory"}, b""
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + after)


if __name__ == "__main__":
    main()
