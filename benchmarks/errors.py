"""What catching through the host costs beside a plain call, and what telling variables adds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from llmspell.runtime.session import Session

from .row import Row, best

COUNT = 500


def _seconds(work: str, *, locals: bool = False) -> float:
    """Seconds of one turn of a loop around `work`."""
    setup = "local f = function() end local b = errors.circuit_breaker()"
    source = f"{setup} for i = 1, {COUNT} do {work} end"

    async def run() -> None:
        async with Session(limits={"calls": None}, locals=locals) as session:
            await session.run(source)

    return best(lambda: asyncio.run(run()), 3) / COUNT


DEEP = """
local function f(n)
  local a, b, c = n, 'text', {n}
  if n == 0 then error('x') end
  f(n - 1)
  return a
end
f(25)
"""


def _uncaught(locals: bool) -> float:
    def run() -> None:
        for _ in range(50):
            Session(locals=locals).attempt_sync(DEEP)

    return best(run, 3) / 50


def measure() -> Iterator[Row]:
    idle = _seconds("")
    call = _seconds("time.now()") - idle
    trying = _seconds("errors.try(f)") - idle
    yield Row("errors.try(fn) / a host call", trying * 1e6, "us", call * 1e6)
    failing = _seconds("errors.try(error, f)") - idle
    yield Row("errors.try(fn, handler), failing / a host call", failing * 1e6, "us", call * 1e6)
    breaker = _seconds("b:call(f)") - idle
    yield Row("breaker:call(fn), closed / a host call", breaker * 1e6, "us", call * 1e6)
    with_, without = _uncaught(True), _uncaught(False)
    yield Row(
        "a run that fails 25 deep, with variables / without", with_ * 1e3, "ms", without * 1e3
    )
