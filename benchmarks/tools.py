"""Tools: what running one adds to the call below it, and what the separate processes cost."""

from __future__ import annotations

import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from llmspell import Session

from .row import Row, best

TIMES = 500


def spell(source: str, folder: str, **params: object) -> float:
    """Seconds of a spell."""
    return best(lambda: Session(level="privileged", folder=folder).run_sync(source, params), 5)


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        loop = "for i = 1, params.n do {} end"
        warm = "tools.register('t', 'T.', {{}}, function() return 1 end) tools.execute('t') "
        idle = spell(warm.format(), folder, n=0)
        for what, tool, peer in [
            ("a built-in tool / its function", "tools.execute('uuid')", "crypto.uuid()"),
            ("a tool of the script / its function through the host", "tools.execute('t')",
             "errors.try(function() return 1 end)"),
        ]:  # fmt: skip
            here, bare = (
                (spell(warm.format() + loop.format(call), folder, n=TIMES) - idle) / TIMES * 1e6
                for call in (tool, peer)
            )
            yield Row(what, here, "us", bare)
        path = Path(folder, "t.db")
        with closing(sqlite3.connect(path)) as base:
            base.execute("create table t(a)")
            base.commit()
        asked = spell("for i = 1, 5 do sqlite.query('t.db', 'select * from t') end", folder) / 5

        def directly() -> None:
            with closing(sqlite3.connect(path)) as base:
                base.execute("select * from t").fetchall()

        yield Row("sqlite.query / sqlite3 in this process", asked * 1e3, "ms", best(directly) * 1e3)
        ran = spell("for i = 1, 5 do process.exec({'true'}) end", folder) / 5
        bare = best(lambda: subprocess.run(["true"], check=True))
        yield Row("process.exec / subprocess.run", ran * 1e3, "ms", bare * 1e3)
