"""This unit asks many things at once, so many at the same time, and tells what became of each.

asked_all(ctx, requests, options)   one BatchItem a request, in their order
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from ... import records
from ...errors import BadArgument, CapabilityError
from ..errors import ErrorRecord
from .conversations import said_in, settings_of
from .messages import BatchItem, BatchOptions, ModelOptions, Request

if TYPE_CHECKING:
    from ..context import Context

MAX_REQUESTS = 5000
"""Some 17 values come back for each, of the 100,000 that may cross."""

MAX_CONCURRENCY = 64


async def asked_all(
    ctx: Context, requests: Sequence[str | Request], options: BatchOptions
) -> list[BatchItem]:
    """Makes each request a call through the gate. One that fails leaves the others alone.

    Raises BadArgument before any is made; a limit ends them all.
    """
    if len(requests) > MAX_REQUESTS:
        raise BadArgument(f"requests must be at most {MAX_REQUESTS}, got {len(requests)}")
    if not 1 <= options.concurrency <= MAX_CONCURRENCY:
        raise BadArgument(
            f"options.concurrency must be 1 to {MAX_CONCURRENCY}, got {options.concurrency}"
        )
    settings_of(options)
    shared = {item.name: getattr(options, item.name) for item in fields(ModelOptions)}
    made: list[Request] = []
    for item in requests:
        if len(made) % 100 == 99:
            await asyncio.sleep(0)  # others have a turn
        made.append(_request(item, shared))
    found: list[BatchItem] = [BatchItem(False)] * len(made)
    waiting = iter(enumerate(made))
    held = 0

    async def work() -> None:
        nonlocal held
        for index, request in waiting:
            try:
                reply = await ctx.invoke("llm.complete", request)
                size = len(reply["content"]) + len(reply.get("reasoning") or "")
                ctx.meter.hold(size)  # kept here until the last is there, and any number may come
                held += size
                found[index] = BatchItem(True, reply)
            except CapabilityError as error:
                found[index] = BatchItem(False, error=ErrorRecord(**_told(error)))
                await asyncio.sleep(0)  # it may have waited for nothing

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(options.concurrency, len(made))):
                group.create_task(work())
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None  # a limit, which ended the others
    finally:
        ctx.meter.hold(-held)
    return found


def _request(item: str | Request, shared: dict[str, Any]) -> Request:
    request = Request(prompt=item) if isinstance(item, str) else item
    said_in(request)
    left_out = {name: value for name, value in shared.items() if getattr(request, name) is None}
    return replace(request, **left_out)


def _told(error: CapabilityError) -> dict[str, Any]:
    names = {item.name for item in fields(ErrorRecord)}
    return {name: value for name, value in records.tell(error).items() if name in names}
