"""Scripts that compute: our engines with their limits on against lupa without any."""

from __future__ import annotations

import time
from collections.abc import Iterator

from llmspell import run_sync

from .row import Row, pairs

FIB = "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end "


def ours(engine: str) -> float:
    """Milliseconds of fib(30) inside a spell, measured by the spell."""
    source = FIB + "local t = os.clock() fib(30) return os.clock() - t"
    result = run_sync(source, engine=engine, limits={"steps": 10**12, "time": 60})
    return float(result.value) * 1000


def plain(module: str) -> float:
    """Milliseconds of fib(30) in lupa alone."""
    import importlib

    lua = importlib.import_module(f"lupa.{module}").LuaRuntime()
    fib = lua.execute(FIB + "return function() return fib(30) end")
    began = time.perf_counter()
    fib()
    return (time.perf_counter() - began) * 1000


def measure() -> Iterator[Row]:
    for engine, target in (("lua54", "< 2.5"), ("lua55", ""), ("luajit", "< 1.2")):
        module = "lua54" if engine == "luajit" else engine
        here, peer = pairs(
            lambda engine=engine: ours(engine), lambda module=module: plain(module), 7
        )
        what = f"fib(30), {engine} with limits / plain lupa {module}"
        yield Row(what, here, "ms", peer, target)
