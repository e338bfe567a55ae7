"""Values at the border, both ways: ours, as text, beside naive recursion through lupa's proxies."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from time import process_time
from typing import Any

from llmspell.engines import engine
from llmspell.engines.base import Done
from llmspell.limits import Limits
from llmspell.values import decode, encode

from .row import Row

RUNS = 7

RECORDS = [
    {"id": i, "name": f"name {i}", "price": i * 1.25, "sold": i % 2 == 0, "city": "Zürich",
     "note": "a text of some thirty letters.", "count": i * 7, "group": "abc"[i % 3]}
    for i in range(10_000)
]  # fmt: skip
NESTED: Any = 1
for _ in range(14):
    NESTED = {"left": NESTED, "right": [NESTED]}

VALUES: dict[str, Any] = {
    "10,000 records of 8 fields, 1.4 MB": RECORDS,
    "a list of 99,000 integers": list(range(99_000)),
    "a list of 50,000 floats": [i * 1.1 for i in range(50_000)],
    "a text of 1 MB": "x" * 1_000_000,
    "a text of 1 MB, 1 % of it quotes": (("x" * 99) + '"') * 10_000,
    "16,383 maps in lists, 28 deep": NESTED,
}


def fastest(work: Any) -> float:
    """Milliseconds of the fastest of several runs, which say how long they took."""
    return min(float(work()) for _ in range(RUNS)) * 1000


class Ours:
    """The way a value goes: encode, decode in the VM; encode in the VM, decode."""

    def __init__(self, name: str, value: Any) -> None:
        self.engine = engine(name)
        self.value = value
        self.limits = Limits(depth=64)

    def _run(self, source: str) -> tuple[float, Any]:
        isolate = self.engine.isolate({}, self.limits)
        isolate.allot(60.0, 60.0)
        chunk = self.engine.compile(source, "bench")
        began = process_time()
        answer = isolate.run(1, chunk, encode({"v": self.value}, depth=64))
        assert isinstance(answer, Done)
        assert answer.ended[0].error is None, answer.ended[0].error
        result = decode(answer.ended[0].value)
        seconds = process_time() - began
        isolate.close()
        return seconds, result

    def into(self) -> float:
        """To the script."""
        return self._run("local v = params.v")[0]

    def back(self) -> float:
        """To the script and back again."""
        seconds, result = self._run("return params.v")
        assert result == self.value
        return seconds


class Naive:
    """The way a program with lupa alone would go."""

    def __init__(self, module: str, value: Any) -> None:
        lupa = importlib.import_module(f"lupa.{module}")
        self.lua = lupa.LuaRuntime(unpack_returned_tuples=True)
        self.kind = lupa.lua_type
        self.value = value

    def to_lua(self, value: Any) -> Any:
        """A table of every list and map."""
        if isinstance(value, dict):
            return self.lua.table_from({k: self.to_lua(v) for k, v in value.items()})
        if isinstance(value, list):
            return self.lua.table_from([self.to_lua(v) for v in value])
        return value

    def to_python(self, value: Any) -> Any:
        """A list or a map of every table."""
        if self.kind(value) != "table":
            return value
        items = dict(value.items())
        if items and all(type(key) is int for key in items):
            return [self.to_python(items[i]) for i in range(1, len(items) + 1)]
        return {key: self.to_python(item) for key, item in items.items()}

    def into(self) -> float:
        """To the script."""
        began = process_time()
        self.lua.globals()["v"] = self.to_lua(self.value)
        return process_time() - began

    def back(self) -> float:
        """To the script and back again."""
        began = process_time()
        self.lua.globals()["v"] = self.to_lua(self.value)
        result = self.to_python(self.lua.globals()["v"])
        seconds = process_time() - began
        assert result == self.value
        return seconds


def measure() -> Iterator[Row]:
    for name, module in (("lua54", "lua54"), ("luajit", "luajit21")):
        for what, value in VALUES.items():
            ours, naive = Ours(name, value), Naive(module, value)
            into, peer_into = fastest(ours.into), fastest(naive.into)
            back, peer_back = fastest(ours.back), fastest(naive.back)
            yield Row(f"{name}: {what}, to the script", into, "ms", peer_into)
            yield Row("  there and back", back, "ms", peer_back)
