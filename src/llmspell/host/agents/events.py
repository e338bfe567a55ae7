"""What happens while an agent works, told as it happens.

AgentEvent      one thing that happened
AgentEvents     `next` until it gives None; or `close` at any time, which ends the run
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context as Variables
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ..llm.streams import PIECES_AHEAD
from ..tasks import ended
from .agent import AgentMessage, AgentReply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...values import FunctionRef
    from ..context import Context
    from .agent import Agent


@dataclass(frozen=True, slots=True)
class AgentEvent:
    """One thing that happened while an agent worked.

    type: what happened: a piece of text came, a tool is run, it gave something or failed, another
        agent goes on, or the answer is there.
    agent: name of the agent at work, if it has one.
    text: of "text": the piece.
    tool: of "tool_call" and "tool_result": name of the tool.
    args: of "tool_call": its arguments.
    result: of "tool_result": what it gave.
    error: of "tool_result": why it failed.
    to: of "hand_off": name of the agent that goes on.
    reply: of "done": what came of the run.
    """

    type: Literal["text", "tool_call", "tool_result", "hand_off", "done"]
    agent: str | None = None
    text: str | None = None
    tool: str | None = None
    args: dict[str, Any] | None = None
    result: Any = None
    error: str | None = None
    to: str | None = None
    reply: AgentReply | None = None


class AgentEvents:
    """The events of one run of an agent, which begins at the first `next`.

    The run does not get further ahead of a reader than `PIECES_AHEAD` events. Pieces of text that
    nobody has read yet become one.
    """

    def __init__(
        self, ctx: Context, agent: Agent, prompt: str, history: Sequence[AgentMessage] = ()
    ) -> None:
        self.reply: AgentReply | None = None
        self._ctx, self._agent, self._prompt, self._history = ctx, agent, prompt, history
        self._events: deque[AgentEvent] = deque()
        self._told = 0
        self._arrived = asyncio.Event()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self._ended = False

    async def next(self) -> AgentEvent | None:
        """The next event, waiting for it; None at the end. Raises what ended the run."""
        if self._task is None and not self._ended:
            # Not in the name of the call that began it: the run outlives that.
            self._task = asyncio.create_task(self._work(), context=Variables())
        while not self._events and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        if self._events:
            self._told = 0
            self._wanted.set()
            return self._events.popleft()
        error, self._error = self._error, None
        if error is not None:
            raise error
        return None

    async def told_to(self, listener: FunctionRef) -> AgentReply:
        """What came of the run, each event of which a function of the script is given."""
        try:
            while (event := await self.next()) is not None:
                await listener(event)
        finally:
            await self.close()
        assert self.reply is not None
        return self.reply

    async def close(self) -> None:
        """Ends the run where it is. Safe to repeat."""
        self._ended = True
        self._events.clear()
        self._error = None
        self._arrived.set()
        if self._task is not None:
            await ended([self._task])

    async def _work(self) -> None:
        from .runs import Work

        try:
            work = Work(self._ctx, self._agent, self._history, tell=self._tell)
            self.reply = await work.finish(self._prompt)
            await self._tell(AgentEvent("done", self.reply.agent, reply=self.reply))
        except Exception as error:  # noqa: BLE001 - raised by `next`, where the gate maps it
            self._error = error
        finally:
            self._ended = True
            self._arrived.set()

    async def _tell(self, event: AgentEvent) -> None:
        last = self._events[-1] if self._events else None
        if last is not None and last.type == event.type == "text" and last.agent == event.agent:
            self._events[-1] = replace(last, text=f"{last.text}{event.text}")
        else:
            self._events.append(event)
        self._told += 1
        self._arrived.set()
        while self._told >= PIECES_AHEAD and not self._ended:
            self._wanted.clear()
            await self._wanted.wait()
