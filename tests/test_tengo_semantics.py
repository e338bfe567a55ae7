"""What the language and its modules do at the edges: each a program with its value or its error.

Values are written as `_shown` writes them. Those of formats, text, JSON and times are what Go's own
libraries give.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.tengo_host import TengoError, run

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent / "vectors" / "tengo_semantics.jsonl")
    .read_text()
    .splitlines()
]


def _shown(value: Any) -> str:
    """A value as text: floats start with f, chars with c, bytes with b, times with t."""
    kind = value["t"]
    if kind == "undefined":
        return "<undefined>"
    inner = value["v"]
    if kind == "array":
        return "[" + ", ".join(map(_shown, inner)) + "]"
    if kind == "map":
        return "{" + ", ".join(f"{k}: {_shown(v)}" for k, v in sorted(inner.items())) + "}"
    if kind == "error":
        return f"E({_shown(inner)})"
    if kind == "bytes":
        return f"b{bytes(inner)!r}"
    if kind == "bool":
        return str(inner).lower()
    return {"string": "", "char": "c", "float": "f", "time": "t"}.get(kind, "") + (
        repr(inner) if kind in ("string", "char") else str(inner)
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['area']}: {row['source']!r}")
def test_semantics(row: dict[str, Any]) -> None:
    if "shown" in row:
        assert _shown(run(row["source"], row.get("modules"))) == row["shown"]
        return
    with pytest.raises(TengoError) as caught:
        run(row["source"], row.get("modules"))
    assert row["error"] in str(caught.value)
