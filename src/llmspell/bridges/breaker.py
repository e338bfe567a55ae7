"""breaker: circuit breakers, which `errors.circuit_breaker` makes."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..capability import capability, handle
from ..host.breakers import Breaker
from ..host.context import Context
from ..values import FunctionRef

handle("breaker")(Breaker)


@capability("breaker.call", since="0.1", again=True)
async def call(ctx: Context, breaker: Breaker, fn: FunctionRef) -> Any:
    """Runs a function unless the circuit is open, and counts whether it failed.

    breaker: the circuit breaker.
    fn: the function.
    returns: what the function gives.
    """
    return await breaker.call(fn, partial(ctx.invoke, "time.now"))


@capability("breaker.state", since="0.1", again=True)
async def state(ctx: Context, breaker: Breaker) -> str:
    """Tells whether calls are let through.

    breaker: the circuit breaker.
    returns: "closed", "open" or "half_open".
    """
    return await breaker.state(partial(ctx.invoke, "time.now"))


@capability("breaker.reset", since="0.1", again=True)
def reset(ctx: Context, breaker: Breaker) -> None:
    """Closes the circuit and forgets every failure.

    breaker: the circuit breaker.
    """
    breaker.reset()
