"""Several tools together: one after another, or all at the same time.

Each is a call of `tools.execute` through the gate, so rules, limits and metrics hold for each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ...errors import BadArgument, CapabilityError
from .toolbox import Tool

if TYPE_CHECKING:
    from ..context import Context

MAX_CALLS = 1000
MAX_STEPS = 100
MAX_AT_ONCE = 64
MAX_DEPTH = 16
"""How deep tools made of tools may call each other: replacing one later may close a circle."""

DEPTH: ContextVar[int] = ContextVar("depth", default=0)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool.

    name: the tool.
    args: its arguments.
    """

    name: str
    args: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ToolFailure:
    """Why a call of a tool failed.

    code: what it is called.
    message: what happened.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What came of one call.

    ok: whether it succeeded.
    value: what the tool gave.
    error: why it failed, or nothing.
    """

    ok: bool
    value: Any = None
    error: ToolFailure | None = None


async def all_of(ctx: Context, calls: list[ToolCall], at_once: int) -> list[ToolOutcome]:
    """The outcomes of calls that run at the same time, in the order of the calls."""
    import asyncio

    if len(calls) > MAX_CALLS:
        raise BadArgument(f"at most {MAX_CALLS} calls can be made together, got {len(calls)}")
    if not 1 <= at_once <= MAX_AT_ONCE:
        raise BadArgument(f"max_concurrent must be 1 to {MAX_AT_ONCE}, got {at_once}")
    outcomes = [ToolOutcome(False)] * len(calls)
    waiting = iter(enumerate(calls))

    async def work() -> None:
        for number, call in waiting:
            await asyncio.sleep(0)  # a tool may wait for nothing: others have a turn
            try:
                value = await ctx.invoke("tools.execute", call.name, call.args or {})
            except CapabilityError as error:
                outcomes[number] = ToolOutcome(False, None, ToolFailure(error.code, error.message))
            else:
                outcomes[number] = ToolOutcome(True, value)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(calls))):
                group.create_task(work())
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return outcomes


async def one_after_another(ctx: Context, names: Iterable[str], value: Any) -> Any:
    """What the last tool gives when each gets what the one before gave."""
    for name in names:
        value = await ctx.invoke("tools.execute", name, arguments(value))
    return value


def arguments(value: Any) -> dict[str, Any]:
    """What a tool is called with: a map as it is, anything else as `input`."""
    if value is None or value == []:
        return {}
    return value if isinstance(value, dict) else {"input": value}


def chain(ctx: Context, names: list[str]) -> list[Tool]:
    """The tools of a chain. Raises BadArgument or NotFound."""
    if not 1 <= len(names) <= MAX_STEPS:
        raise BadArgument(f"1 to {MAX_STEPS} tools can be put together, got {len(names)}")
    return [ctx.tools.get(name) for name in names]


def composed(
    name: str, description: str, tools: list[Tool], mode: Literal["pipeline", "parallel"]
) -> Tool:
    """A tool that is made of others. The first of a pipeline says what arguments it takes."""
    steps = [tool.name for tool in tools]
    if name in steps:
        raise BadArgument(f"names has {name}, and a tool cannot be made of itself")

    async def pipeline(ctx: Context, args: dict[str, Any]) -> Any:
        return await one_after_another(ctx, steps, args)

    async def parallel(ctx: Context, args: dict[str, Any]) -> Any:
        calls = [ToolCall(step, args) for step in steps]
        outcomes = await all_of(ctx, calls, MAX_AT_ONCE)
        return dict(zip(steps, outcomes, strict=True))

    for step in steps:
        if mode == "parallel" and steps.count(step) > 1:
            raise BadArgument(f"names has {step} twice: what tools give in parallel is by name")
    run = _bounded(name, pipeline if mode == "pipeline" else parallel)
    # What a server says of its tool holds for that one alone: its schema may have anything in it.
    told = mode == "pipeline" and tools[0].origin != "mcp"
    schema = tools[0].schema if told else {"type": "object"}
    return Tool(name, description, schema, run, "script")


Work = Callable[["Context", dict[str, Any]], Awaitable[Any]]


def _bounded(name: str, work: Work) -> Work:
    async def run(ctx: Context, args: dict[str, Any]) -> Any:
        depth = DEPTH.get()
        if depth == MAX_DEPTH:
            raise BadArgument(f"{name}: tools call each other deeper than {MAX_DEPTH} times")
        token = DEPTH.set(depth + 1)
        try:
            return await work(ctx, args)
        finally:
            DEPTH.reset(token)

    return run
