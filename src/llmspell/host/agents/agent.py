"""Agents: a model that may use tools, and other agents, on the way to its answer.

    AgentOptions    what an agent is, as a script gives it
    Agent           run, chat, clone, configure, cancel
    Agents          the agents of one run of a script, by name

Every tool an agent runs goes through the gate, like a call of the script itself; every request
it makes is reserved and settled against the budget of the run, and against its own.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from ...errors import BadArgument, HostFailure, NotFound, near_miss
from ...limits import Usage
from ...typespec import JsonSchema, ModelName
from ..llm.conversations import unfit
from ..schemas.structured import TOOL as ANSWER
from ..schemas.structured import Form

if TYPE_CHECKING:
    from ..context import Context
    from ..tools.toolbox import Tool
    from .runs import Work

MAX_NAMED = 256
"""Agents of one run that can be found by name."""

MAX_RUNNING = 512
"""Runs of agents at the same time: each takes some 30 KB while it waits."""

MAX_MESSAGES = 1000
"""Messages of a conversation that are kept when the agent does not say how many."""

HAND_OFF = "hand_off_to_"
"""How the name of the tool begins by which a model leaves its task to another agent."""

LONGEST_NAME = 64
"""Characters of a name that model providers accept."""

SIZE = 512
"""Bytes an agent takes besides its texts."""


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """What one run of an agent may use, its sub-agents included. Refused before it is exceeded.

    tokens: tokens sent and received.
    cost: US dollars; a model of unknown price is refused.
    requests: requests to models.
    seconds: how long it may take.
    """

    tokens: int | None = None
    cost: float | None = None
    requests: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuses what cannot be kept."""
        _above_zero(self, "tokens", "cost", "requests", "seconds")


@dataclass(frozen=True, slots=True)
class AgentMemory:
    """How much of a conversation an agent keeps.

    max_messages: messages that are kept and sent, the newest; at most 1000.
    """

    max_messages: int = MAX_MESSAGES

    def __post_init__(self) -> None:
        """Refuses a number that cannot be kept."""
        if not 0 <= self.max_messages <= MAX_MESSAGES:
            raise ValueError(
                f"max_messages must be from 0 to {MAX_MESSAGES}, got {self.max_messages}"
            )


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """What an agent is.

    name: under which it is found, and under which other agents use it.
    description: what it is good for, told to agents that may use it.
    model: "provider/model"; the default model when left out.
    system: its instructions.
    tools: what it may use: names of tools, and other agents, which need a name.
    hand_offs: agents it may leave its task to; they need a name.
    output: what its answer must be: a JSON Schema, or text such as "name, age int".
    output_retries: how often it is asked again when its answer does not fit; 2 by default.
    temperature: how freely it answers, 0 to 2.
    top_p: the share of likely words it chooses from, 0 to 1.
    top_k: how many of the likeliest words it chooses from.
    presence_penalty: how much it avoids what was mentioned at all, -2 to 2.
    frequency_penalty: how much it avoids what was mentioned often, -2 to 2.
    seed: a number that makes answers repeatable where the provider can.
    stop: texts at which an answer ends.
    max_tokens: most tokens of one answer.
    reasoning: how long it thinks before it answers, where it can.
    provider_options: what else the provider takes, by its own names; sent as it is.
    max_steps: most requests to the model in one run; 20 by default.
    tool_retries: how often one tool may fail in a run before the run does; without end by default.
    timeout: seconds to wait for one answer of the model.
    limits: what one run may use.
    memory: how much of a conversation it keeps.
    """

    name: str | None = None
    description: str | None = None
    model: ModelName | None = None
    system: str | None = None
    tools: list[str | Agent] | None = None
    hand_offs: list[Agent] | None = None
    output: JsonSchema | str | None = None
    output_retries: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: list[str] | None = None
    max_tokens: int | None = None
    reasoning: Literal["off", "minimal", "low", "medium", "high"] | None = None
    provider_options: dict[str, Any] | None = None
    max_steps: int | None = None
    tool_retries: int | None = None
    timeout: float | None = None
    limits: AgentLimits | None = None
    memory: AgentMemory | None = None

    def __post_init__(self) -> None:
        """Refuses numbers that make no sense."""
        if told := unfit(self):
            raise ValueError(told)
        _above_zero(self, "max_steps")
        for name in ("output_retries", "tool_retries"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 100:
                raise ValueError(f"{name} must be from 0 to 100, got {value}")

    def changed(self, given: AgentOptions) -> AgentOptions:
        """These options, with those that are given in their place."""
        return replace(self, **given.given())

    def given(self) -> dict[str, Any]:
        """What is not left out, by name."""
        named = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One tool an agent ran.

    name: name of the tool.
    args: its arguments.
    result: what it gave; nothing when it failed.
    error: why it failed, or nothing.
    """

    name: str
    args: dict[str, Any]
    result: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class AgentMessage:
    """One message of the conversation with an agent.

    role: who speaks.
    content: what is said.
    tool_calls: the tools that were run for this answer, in order.
    """

    role: Literal["user", "assistant"]
    content: str
    tool_calls: list[ToolUse] | None = None


@dataclass(frozen=True, slots=True)
class AgentReply:
    """What came of a run of an agent.

    content: its answer.
    model: the model that gave it.
    tool_calls: the tools it ran, in order.
    input_tokens: tokens sent to models.
    output_tokens: tokens models wrote.
    cost: US dollars; nothing when the price of a model is unknown.
    output: the answer as data, when the agent has an output schema.
    agent: name of the agent that answered, if it has one: another after a hand-off.
    steps: requests to models.
    """

    content: str
    model: str
    tool_calls: list[ToolUse]
    input_tokens: int
    output_tokens: int
    cost: float | None
    output: Any = None
    agent: str | None = None
    steps: int = 0


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """What an agent has done since it was made, or since its run was restored.

    model: the model it asks.
    running: runs of it now.
    runs: runs that came to an answer.
    failures: runs that failed or were cancelled.
    steps: requests to models, those of sub-agents included.
    tool_calls: tools it ran.
    input_tokens: tokens sent to models.
    output_tokens: tokens models wrote.
    cost: US dollars; nothing when a price was unknown.
    messages: messages of its conversation.
    name: its name, if it has one.
    """

    model: str
    running: int
    runs: int
    failures: int
    steps: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    messages: int
    name: str | None = None


class Agent:
    """A model with instructions and tools.

    `chat` keeps a conversation, `run` knows of none.
    """

    def __init__(self, ctx: Context, model: str, options: AgentOptions) -> None:
        self.history: list[AgentMessage] = []
        self.working: set[Work] = set()
        self.usage = Usage()
        self.runs = self.failures = self.tool_calls = 0
        self._turn: asyncio.Lock | None = None
        self._sizes: dict[str, int] = {}
        self._set(ctx, model, options)
        ctx.meter.hold(SIZE)

    def _set(self, ctx: Context, model: str, options: AgentOptions) -> None:
        tools = options.tools or []
        helpers = [tool for tool in tools if isinstance(tool, Agent)]
        _check_offers(options)
        form = None if options.output is None else Form(options.output)
        found = [ctx.tools.get(tool) for tool in tools if isinstance(tool, str)]
        ctx.agents.rename(self, options.name)
        self.model, self.options, self.form = model, options, form
        self.tools: list[Tool] = found
        self.helpers: list[Agent] = helpers
        self.hand_offs: list[Agent] = list(options.hand_offs or ())

    @property
    def name(self) -> str | None:
        """Its name, if it has one."""
        return self.options.name

    async def configure(self, ctx: Context, given: AgentOptions) -> None:
        """Replaces some of its options; runs that are under way go on as they began."""
        model = self.model if given.model is None else await ctx.model(given.model)
        self._set(ctx, model, self.options.changed(given))
        if self.working:
            self._sizes.clear()  # a run that is under way has what is replaced
        sizes = {name: size_of(value) for name, value in given.given().items()}
        ctx.meter.hold(sum(size - self._sizes.get(name, 0) for name, size in sizes.items()))
        self._sizes |= sizes

    def add_tools(self, ctx: Context, tools: list[str | Agent]) -> None:
        """Lets it use more tools."""
        options = replace(self.options, tools=[*(self.options.tools or ()), *tools])
        self._set(ctx, self.model, options)
        size = size_of(tools)
        ctx.meter.hold(size)
        self._sizes["tools"] = self._sizes.get("tools", 0) + size

    @property
    def tool_names(self) -> list[str]:
        """What it may use, by name."""
        tools = self.options.tools or ()
        return [str(tool.name) if isinstance(tool, Agent) else tool for tool in tools]

    async def clone(self, ctx: Context, given: AgentOptions) -> Agent:
        """One like it, without its name and its conversation."""
        model = self.model if given.model is None else await ctx.model(given.model)
        self._sizes.clear()  # what both have stays counted
        return Agent(ctx, model, replace(self.options, name=None).changed(given))

    async def run(
        self, ctx: Context, prompt: str, history: Sequence[AgentMessage] = ()
    ) -> AgentReply:
        """Works on `prompt` until there is an answer. Raises HostFailure after max_steps."""
        from .runs import Work

        return await Work(ctx, self, history).finish(prompt)

    async def chat(self, ctx: Context, prompt: str) -> AgentReply:
        """Goes on with the conversation; two at the same time follow one another."""
        self._turn = self._turn or asyncio.Lock()
        async with self._turn:
            reply = await self.run(ctx, prompt, tuple(self.history))
            self.remember(ctx, prompt, reply)
        return reply

    def remember(self, ctx: Context, prompt: str, reply: AgentReply) -> None:
        """Adds what was said to the conversation, and forgets what is too old."""
        said = AgentMessage("assistant", reply.content, reply.tool_calls or None)
        self.keep(ctx, [*self.history, AgentMessage("user", prompt), said])

    def keep(self, ctx: Context, messages: Sequence[AgentMessage]) -> None:
        """Has these be the conversation, as far as the agent keeps one."""
        most = (self.options.memory or AgentMemory()).max_messages
        kept = list(messages[-most:] if most else ())
        while kept and kept[0].role == "assistant":
            del kept[0]
        ctx.meter.hold(_weight(kept) - _weight(self.history))
        self.history = kept

    def cancel(self) -> int:
        """Ends its runs, which fail with the code "cancelled". Gives their number."""
        working = list(self.working)
        for work in working:
            work.stop()
        return len(working)

    def count(self, used: Usage, uses: Sequence[ToolUse]) -> None:
        """Adds what a run of it has used."""
        own = self.usage
        own.model_calls += used.model_calls
        own.input_tokens += used.input_tokens
        own.output_tokens += used.output_tokens
        own.cost = None if own.cost is None or used.cost is None else own.cost + used.cost
        self.tool_calls += len(uses)

    def status(self) -> AgentStatus:
        """What it has done."""
        used = self.usage
        return AgentStatus(
            self.model, len(self.working), self.runs, self.failures, used.model_calls,
            self.tool_calls, used.input_tokens, used.output_tokens, used.cost,
            len(self.history), self.name,
        )  # fmt: skip


CANCELLED = "the agent was cancelled"


class Agents:
    """The agents of one run of a script: those with a name can be found by it."""

    def __init__(self) -> None:
        self._named: dict[str, Agent] = {}
        self.running = 0

    def rename(self, agent: Agent, name: str | None) -> None:
        """Has an agent be found by a name. Raises BadArgument for one that is taken."""
        from ..tools.toolbox import NAME

        if name is None:
            return
        if NAME.fullmatch(name) is None:
            raise BadArgument(
                f"options.name: {name!r} cannot name an agent: use up to 64 letters, digits, _ "
                "or -, starting with a letter"
            )
        holder = self._named.get(name)
        if holder is not None and holder is not agent:
            raise BadArgument(f"there is an agent {name} already: choose another name")
        if holder is None and len(self._named) == MAX_NAMED:
            raise BadArgument(f"a script has at most {MAX_NAMED} agents with a name")
        self.remove(agent)
        self._named[name] = agent

    def get(self, name: str) -> Agent:
        """The agent of a name. Raises NotFound with the nearest name there is."""
        found = self._named.get(name)
        if found is None:
            raise NotFound(f"there is no agent {name}{near_miss(name, self.names())}")
        return found

    def names(self) -> list[str]:
        """Every name, sorted."""
        return sorted(self._named)

    def remove(self, agent: Agent) -> None:
        """Forgets the name of an agent."""
        for name, holder in list(self._named.items()):
            if holder is agent:
                del self._named[name]

    def enter(self) -> None:
        """Counts a run that begins. Raises HostFailure where there are too many."""
        if self.running == MAX_RUNNING:
            raise HostFailure(
                f"{MAX_RUNNING} runs of agents are under way: wait for some of them",
                code="busy",
                retryable=True,
            )
        self.running += 1

    def leave(self) -> None:
        """A run has ended."""
        self.running -= 1


def _check_offers(options: AgentOptions) -> None:
    """Refuses what a model could not tell apart, or could not name."""
    tools, others = options.tools or (), options.hand_offs or ()
    for other in (*(tool for tool in tools if isinstance(tool, Agent)), *others):
        if other.name is None:
            raise BadArgument("an agent that another one uses needs a name: give it one")
    given = [tool.name if isinstance(tool, Agent) else tool for tool in tools]
    if options.output is not None and ANSWER in given:
        raise BadArgument(
            f"options.tools has {ANSWER}, by which an agent with an output schema answers: name it "
            "otherwise"
        )
    # Counted at once: a script may name thousands.
    tool_counts, other_counts = Counter(given), Counter(others)
    for name, count in tool_counts.items():
        if count > 1:
            raise BadArgument(f"options.tools has {name} twice")
    for other in others:
        name = f"{HAND_OFF}{other.name}"
        if other_counts[other] > 1:
            raise BadArgument(f"options.hand_offs has {other.name} twice")
        if len(name) > LONGEST_NAME:
            raise BadArgument(
                f"options.hand_offs: the name {other.name} is too long: an agent that takes tasks "
                f"over has at most {LONGEST_NAME - len(HAND_OFF)} characters"
            )
        if name in tool_counts:
            raise BadArgument(
                f"options.tools has {name}, by which a task is left to {other.name}: name it "
                "otherwise"
            )


def size_of(value: Any) -> int:
    """Bytes of a value that crosses, about."""
    if isinstance(value, str | bytes):
        return len(value) + 16
    if isinstance(value, Mapping):
        return sum(len(key) + size_of(item) for key, item in value.items()) + 16
    return sum(map(size_of, value)) + 16 if isinstance(value, list) else 16


def _weight(messages: Sequence[AgentMessage]) -> int:
    uses = (use for message in messages for use in message.tool_calls or ())
    return sum(len(message.content) for message in messages) + sum(
        size_of(use.args) + size_of(use.result) + size_of(use.error) for use in uses
    )


def _above_zero(record: Any, *names: str) -> None:
    for name in names:
        value = getattr(record, name)
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be above 0, got {value}")
