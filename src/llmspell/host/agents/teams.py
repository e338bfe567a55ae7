"""This unit has agents work together on one task.

delegate(...)       one agent asks another
collaborate(...)    several work on one task, one after another or at the same time
as_tool(...)        an agent as a tool of the script
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ...errors import BadArgument, CapabilityError
from ..tools.toolbox import Tool
from .agent import Agent, AgentReply
from .runs import TASK, Work

if TYPE_CHECKING:
    from ...limits import Usage
    from ..context import Context

MAX_TEAM = 32
"""Agents that may work on one task together."""


@dataclass(frozen=True, slots=True)
class DelegationOptions:
    """How a task is delegated.

    callback_to_source: whether the agent that delegates makes its own answer of what it is told.
    """

    callback_to_source: bool = False


@dataclass(frozen=True, slots=True)
class CollaborationOptions:
    """How agents work together.

    method: "sequential", each goes on from what the one before has said; "parallel", all at the
        same time; "leader", the first makes one answer of what the others say; or "vote", the
        answer that most of them give.
    share_context: whether each is shown what all others have said: in "sequential" the whole of
        it, in "parallel" and "vote" before it answers once more.
    """

    method: Literal["sequential", "parallel", "leader", "vote"] = "sequential"
    share_context: bool = False


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one agent has said.

    content: its answer; nothing when it failed.
    agent: its name, if it has one.
    error: why it failed, or nothing.
    votes: of "vote": how many gave this answer.
    """

    content: str | None
    agent: str | None = None
    error: str | None = None
    votes: int | None = None


@dataclass(frozen=True, slots=True)
class Collaboration:
    """What came of several agents working on one task.

    content: the answer; of "parallel", all of them.
    method: how they worked together.
    answers: what each has said, in the order of the agents.
    input_tokens: tokens sent to models.
    output_tokens: tokens models wrote.
    cost: US dollars; nothing when the price of a model is unknown.
    """

    content: str
    method: str
    answers: list[Contribution]
    input_tokens: int
    output_tokens: int
    cost: float | None


async def delegate(
    ctx: Context, source: Agent, to: Agent, task: str, options: DelegationOptions
) -> AgentReply:
    """The answer of `to`, or what `source` makes of it."""
    reply = await to.run(ctx, task)
    if not options.callback_to_source:
        return reply
    who = to.name or "Another agent"
    return await source.run(ctx, f"{task}\n\n{who} has answered:\n\n{reply.content}")


async def collaborate(
    ctx: Context, agents: Sequence[Agent], task: str, options: CollaborationOptions
) -> Collaboration:
    """What the agents answer together. Raises the first error when every one fails."""
    if not agents:
        raise BadArgument("agents must have at least one agent")
    if len(agents) > MAX_TEAM:
        raise BadArgument(f"agents has {len(agents)} agents: at most {MAX_TEAM} work together")
    team = _Team(ctx, agents, task, options)
    methods = {
        "sequential": team.by_sequential,
        "parallel": team.by_parallel,
        "leader": team.by_leader,
        "vote": team.by_vote,
    }
    return await methods[options.method]()


class _Team:
    def __init__(
        self, ctx: Context, agents: Sequence[Agent], task: str, options: CollaborationOptions
    ) -> None:
        self.ctx, self.agents, self.task, self.options = ctx, agents, task, options
        self.used: list[Usage] = []
        self.errors: list[CapabilityError] = []

    async def by_sequential(self) -> Collaboration:
        said: list[Contribution] = []
        for agent in self.agents:
            answers = [one for one in said if one.content is not None]
            shown = answers if self.options.share_context else answers[-1:]
            said.append(await self._ask(agent, self._prompt(shown)))
        self._check(said)
        contents = [one.content for one in said if one.content is not None]
        return self._result(contents[-1], said)

    async def by_parallel(self) -> Collaboration:
        said = await self._all()
        return self._result(_shown(said), said)

    async def by_leader(self) -> Collaboration:
        leader, *others = self.agents
        said = await self._together(others, self.task)
        answer = await self._ask(leader, self._prompt(said))
        if answer.content is None:
            raise self.errors[-1]
        return self._result(answer.content, [answer, *said])

    async def by_vote(self) -> Collaboration:
        said = await self._all()
        ballots = [_ballot(one.content) for one in said]
        votes = Counter(ballot for ballot in ballots if ballot is not None)
        counted = [
            Contribution(
                one.content, one.agent, one.error, None if ballot is None else votes[ballot]
            )
            for one, ballot in zip(said, ballots, strict=True)
        ]
        # Of answers with as many votes, the first: `max` keeps it.
        winner = max(counted, key=lambda one: one.votes or 0)
        return self._result(winner.content or "", counted)

    async def _all(self) -> list[Contribution]:
        said = await self._together(self.agents, self.task)
        self._check(said)
        if self.options.share_context and len(self.agents) > 1:
            said = await self._together(self.agents, self._prompt(said))
            self._check(said)
        return said

    async def _together(self, agents: Sequence[Agent], prompt: str) -> list[Contribution]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._ask(agent, prompt)) for agent in agents]
        except BaseExceptionGroup as failed:  # a limit: a group of errors could be caught
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]

    def _prompt(self, said: Sequence[Contribution]) -> str:
        return "\n\n".join(filter(None, (self.task, _shown(said))))

    async def _ask(self, agent: Agent, prompt: str) -> Contribution:
        work = Work(self.ctx, agent)
        # One that fails has cost what it used.
        self.used.append(work.whole.usage)
        try:
            reply = await work.finish(prompt)
        except CapabilityError as error:
            self.errors.append(error)
            return Contribution(None, agent.name, error.message)
        return Contribution(reply.content, agent.name)

    def _check(self, said: Sequence[Contribution]) -> None:
        """Raises the first error where nobody has said anything."""
        if all(one.content is None for one in said):
            raise self.errors[0]

    def _result(self, content: str, said: list[Contribution]) -> Collaboration:
        costs = [used.cost for used in self.used]
        known = [cost for cost in costs if cost is not None]
        return Collaboration(
            content,
            self.options.method,
            said,
            sum(used.input_tokens for used in self.used),
            sum(used.output_tokens for used in self.used),
            sum(known) if len(known) == len(costs) else None,
        )


def _shown(said: Sequence[Contribution]) -> str:
    return "\n\n".join(
        f"{one.agent or f'Agent {number}'}: {one.content}"
        for number, one in enumerate(said, 1)
        if one.content is not None
    )


def _ballot(content: str | None) -> str | None:
    """The answer without what does not matter: case, blanks, and marks at its end."""
    if content is None:
        return None
    return re.sub(r"\s+", " ", content).strip(" .!?\"'").casefold()


def as_tool(ctx: Context, agent: Agent, name: str, description: str | None) -> None:
    """Adds a tool that gives the agent a task."""
    # It is kept for the tool, whoever else lets go of it; in a replay there is only its number.
    handle = ctx.adopt("agent", agent) if isinstance(agent, Agent) else agent
    told: Any = description
    if told is None:
        told = isinstance(agent, Agent) and agent.options.description

    async def run(ctx: Context, args: dict[str, Any]) -> Any:
        reply = await ctx.invoke("agent.run", handle, args["task"])
        return reply["content"] if reply.get("output") is None else reply["output"]

    made = Tool(name, told or f"The agent {name}.", TASK, run, "agent")
    ctx.meter.hold(ctx.tools.add(made))
