"""agent: a model that may use tools, and other agents, on the way to its answer."""

from __future__ import annotations

from dataclasses import dataclass

from ..capability import capability, handle
from ..host.agents import snapshots, teams
from ..host.agents.agent import Agent, AgentMessage, AgentOptions, AgentReply, AgentStatus
from ..host.agents.events import AgentEvents
from ..host.agents.teams import Collaboration, CollaborationOptions, DelegationOptions
from ..host.context import Context
from ..values import FunctionRef
from .stream import Stream

handle("agent")(Agent)


@dataclass(frozen=True, slots=True)
class AgentRunOptions:
    """How an agent works on one task.

    history: the conversation before it, oldest message first.
    on_event: a function that is given each event as it happens, as `agent.stream` gives them.
    """

    history: list[AgentMessage] | None = None
    on_event: FunctionRef | None = None


@capability("agent.create", since="0.1", needs="llm", rebuilds=True)
async def create(ctx: Context, options: AgentOptions = AgentOptions()) -> Agent:
    """Makes an agent.

    options: its model, instructions and tools.
    returns: the agent.
    """
    options = ctx.defaults.applied(options)
    return Agent(ctx, await ctx.model(options.model), options)


@capability("agent.run", since="0.1", needs="llm")
async def run(
    ctx: Context, agent: Agent, prompt: str, options: AgentRunOptions = AgentRunOptions()
) -> AgentReply:
    """Gives an agent a task and waits until it is done.

    agent: the agent.
    prompt: the task.
    options: what was said before, and who is told what happens.
    returns: its answer, and the tools it used.
    """
    history = options.history or []
    if options.on_event is None:
        return await agent.run(ctx, prompt, history)
    return await AgentEvents(ctx, agent, prompt, history).told_to(options.on_event)


@capability("agent.stream", since="0.1", needs="llm")
async def stream(
    ctx: Context, agent: Agent, prompt: str, history: list[AgentMessage] | None = None
) -> Stream:
    """Gives an agent a task and tells what happens: events with a type, as in docs/agents.md.

    agent: the agent.
    prompt: the task.
    history: the conversation before it, oldest message first.
    returns: a stream of events; the last is of type "done" and has the reply.
    """
    return Stream(AgentEvents(ctx, agent, prompt, history or []))


def _recall(ctx: Context, answer: AgentReply, agent: Agent, prompt: str) -> None:
    agent.remember(ctx, prompt, answer)


@capability("agent.chat", since="0.1", needs="llm", recalls=_recall)
async def chat(ctx: Context, agent: Agent, prompt: str) -> AgentReply:
    """Goes on with the conversation with an agent. When it fails, nothing is added to it.

    agent: the agent.
    prompt: what to say.
    returns: its answer, and the tools it used.
    """
    return await agent.chat(ctx, prompt)


@capability("agent.history", since="0.1")
def history(ctx: Context, agent: Agent) -> list[AgentMessage]:
    """Gives the conversation with an agent, as far as it is kept.

    agent: the agent.
    returns: what was said, oldest message first.
    """
    return agent.history


@capability("agent.reset", since="0.1", rebuilds=True)
def reset(ctx: Context, agent: Agent, history: list[AgentMessage] | None = None) -> None:
    """Has the conversation with an agent begin anew.

    agent: the agent.
    history: what was said before, oldest message first; nothing when left out.
    """
    agent.keep(ctx, history or [])


@capability("agent.configure", since="0.1", needs="llm", rebuilds=True)
async def configure(ctx: Context, agent: Agent, options: AgentOptions) -> None:
    """Changes an agent. Runs that are under way go on as they began.

    agent: the agent.
    options: what to change; what is left out stays.
    """
    await agent.configure(ctx, options)


@capability("agent.clone", since="0.1", needs="llm", rebuilds=True)
async def clone(ctx: Context, agent: Agent, options: AgentOptions = AgentOptions()) -> Agent:
    """Makes an agent like another one, without its name and its conversation.

    agent: the agent.
    options: what is to be different.
    returns: the new agent.
    """
    return await agent.clone(ctx, options)


@capability("agent.add_tools", since="0.1", rebuilds=True)
def add_tools(ctx: Context, agent: Agent, tools: list[str | Agent]) -> None:
    """Lets an agent use more tools.

    agent: the agent.
    tools: names of tools, and other agents.
    """
    agent.add_tools(ctx, tools)


@capability("agent.get_tools", since="0.1")
def get_tools(ctx: Context, agent: Agent) -> list[str]:
    """Lists what an agent may use.

    agent: the agent.
    returns: names of tools and of other agents, in the order they were given.
    """
    return agent.tool_names


@capability("agent.as_tool", since="0.1", needs="tool:{name}", again=True)
def as_tool(ctx: Context, agent: Agent, name: str, description: str | None = None) -> None:
    """Makes an agent a tool, for agents, models and `tools.execute`. Its argument is {task = text}.

    agent: the agent.
    name: name of the tool.
    description: what it does, for the model that chooses it; that of the agent by default.
    """
    teams.as_tool(ctx, agent, name, description)


@capability("agent.get", since="0.1", rebuilds=True)
def get(ctx: Context, name: str) -> Agent:
    """Finds an agent of this spell.

    name: its name.
    returns: the agent.
    """
    return ctx.agents.get(name)


@capability("agent.list", since="0.1", rebuilds=True)
def list_(ctx: Context) -> list[str]:
    """Lists the agents of this spell that have a name.

    returns: their names, sorted.
    """
    return ctx.agents.names()


@capability("agent.remove", since="0.1", rebuilds=True)
def remove(ctx: Context, agent: Agent) -> None:
    """Has an agent be found by its name no more. Whoever holds it can still use it.

    agent: the agent.
    """
    ctx.agents.remove(agent)


@capability("agent.status", since="0.1")
def status(ctx: Context, agent: Agent) -> AgentStatus:
    """Tells what an agent is doing and has done.

    agent: the agent.
    returns: its runs, and what they used.
    """
    return agent.status()


@capability("agent.cancel", since="0.1")
def cancel(ctx: Context, agent: Agent) -> int:
    """Ends all that an agent is working on. Who waits for it gets an error, "cancelled".

    agent: the agent.
    returns: how many runs were ended.
    """
    return agent.cancel()


@capability("agent.delegate", since="0.1", needs="llm")
async def delegate(
    ctx: Context,
    agent: Agent,
    to: Agent,
    task: str,
    options: DelegationOptions = DelegationOptions(),
) -> AgentReply:
    """Has one agent give another one a task.

    agent: the agent in whose name it is asked.
    to: the agent that does it.
    task: what to do.
    options: whether the first agent makes its own answer of it.
    returns: the answer of the one that spoke last.
    """
    return await teams.delegate(ctx, agent, to, task, options)


@capability("agent.collaborate", since="0.1", needs="llm")
async def collaborate(
    ctx: Context,
    agents: list[Agent],
    task: str,
    options: CollaborationOptions = CollaborationOptions(),
) -> Collaboration:
    """Has several agents work on one task.

    agents: the agents, 32 at most.
    task: what to do.
    options: how they work together.
    returns: what came of it, and what each has said.
    """
    return await teams.collaborate(ctx, agents, task, options)


@capability("agent.export", since="0.1")
def export(ctx: Context, agent: Agent) -> str:
    """Writes an agent and its conversation as JSON: tools by name, no keys.

    agent: the agent.
    returns: the text.
    """
    return snapshots.written(agent)


@capability("agent.import", since="0.1", needs="llm", rebuilds=True)
async def import_(ctx: Context, text: str, name: str | None = None) -> Agent:
    """Makes an agent of what `agent.export` wrote. The tools it names must be there.

    text: the text.
    name: its name; that in the text by default.
    returns: the agent, with its conversation.
    """
    return await snapshots.made(ctx, text, name)
