"""agent: a model that may use tools on the way to its answer."""

from __future__ import annotations

from ..capability import capability, handle
from ..host.agents import Agent, AgentOptions, AgentReply
from ..host.context import Context

handle("agent")(Agent)


@capability("agent.create", since="0.1", needs="llm", rebuilds=True)
async def create(ctx: Context, options: AgentOptions = AgentOptions()) -> Agent:
    """Makes an agent.

    options: its model, instructions and tools.
    returns: the agent.
    """
    return Agent(ctx, await ctx.model(options.model), options)


@capability("agent.run", since="0.1", needs="llm")
async def run(ctx: Context, agent: Agent, prompt: str) -> AgentReply:
    """Gives an agent a task and waits until it is done.

    agent: the agent.
    prompt: the task.
    returns: its answer, and the tools it used.
    """
    return await agent.run(ctx, prompt)
