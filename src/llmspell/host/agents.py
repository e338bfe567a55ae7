"""Agents: a model that may use tools on the way to its answer.

Every tool an agent runs goes through the gate, like a call of the script itself; every request
it makes is reserved and settled against the budget of the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import CapabilityError, HostFailure

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from pydantic_ai import Tool as ModelTool
    from pydantic_ai.run import AgentRun

    from .context import Context
    from .tools import Tool


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """What an agent is.

    model: "provider/model"; the default model when left out.
    system: its instructions.
    tools: names of the tools it may use.
    temperature: how freely it answers, 0 to 2.
    max_tokens: most tokens of one answer.
    max_steps: most requests to the model in one run.
    """

    model: str | None = None
    system: str | None = None
    tools: list[str] = field(default_factory=list)
    temperature: float | None = None
    max_tokens: int | None = None
    max_steps: int = 20


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
class AgentReply:
    """What came of a run of an agent.

    content: its answer.
    model: the model that gave it.
    tool_calls: the tools it ran, in order.
    input_tokens: tokens sent to the model.
    output_tokens: tokens the model wrote.
    cost: US dollars; nothing when the price of the model is unknown.
    """

    content: str
    model: str
    tool_calls: list[ToolUse]
    input_tokens: int
    output_tokens: int
    cost: float | None


class Agent:
    """A model with instructions and tools."""

    def __init__(self, ctx: Context, model: str, options: AgentOptions) -> None:
        self.model = model
        self.options = options
        self.tools = [ctx.tools.get(name) for name in options.tools]

    async def run(self, ctx: Context, prompt: str) -> AgentReply:
        """Works on `prompt` until there is an answer. Raises HostFailure after max_steps."""
        from pydantic_ai import Agent as ModelAgent
        from pydantic_ai import UsageLimits
        from pydantic_ai.exceptions import UsageLimitExceeded
        from pydantic_ai.settings import ModelSettings

        models, uses = ctx.services.models, list[ToolUse]()
        settings: dict[str, Any] = {
            "temperature": self.options.temperature,
            "max_tokens": self.options.max_tokens,
        }
        agent = ModelAgent(
            models.metered(self.model, ctx.meter),
            instructions=self.options.system,
            tools=[_model_tool(ctx, tool, uses) for tool in self.tools],
        )
        try:
            run = await _finished(
                agent.iter(
                    prompt,
                    usage_limits=UsageLimits(request_limit=self.options.max_steps),
                    model_settings=ModelSettings(
                        **{k: v for k, v in settings.items() if v is not None}  # type: ignore[typeddict-item]
                    ),
                )
            )
        except UsageLimitExceeded:
            steps = f"{self.options.max_steps} step{'s' if self.options.max_steps > 1 else ''}"
            raise HostFailure(f"the agent had no answer after {steps}", code="steps") from None
        except CapabilityError:
            raise
        except Exception as error:
            mapped = models.map_error(error, self.model)
            if mapped is None:
                raise
            raise mapped from error
        usage = run.usage
        cost = None if usage.cost is None else float(usage.cost)
        return AgentReply(
            run.output, self.model, uses, usage.input_tokens, usage.output_tokens, cost
        )


async def _finished(starting: AbstractAsyncContextManager[AgentRun[None, str]]) -> Any:
    """Runs an agent to its result. Cancelled, it leaves no task behind.

    pydantic-ai does when it is cancelled while it starts, so that waits until it has started.
    """
    import asyncio

    started = asyncio.get_running_loop().create_future()

    async def work() -> Any:
        async with starting as run:
            started.set_result(None)
            async for _ in run:
                pass
        return run.result

    task = asyncio.create_task(work())
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task, started}, return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise


def _model_tool(ctx: Context, tool: Tool, uses: list[ToolUse]) -> ModelTool[None]:
    from pydantic_ai import Tool as ModelTool

    async def call(**args: Any) -> Any:
        try:
            result = await ctx.invoke("tools.execute", tool.name, args)
        except CapabilityError as error:
            # A failed tool is news for the model, not the end of the run.
            uses.append(ToolUse(tool.name, args, error=error.message))
            return f"error: {error.message}"
        uses.append(ToolUse(tool.name, args, result))
        return result

    return ModelTool.from_schema(
        call, name=tool.name, description=tool.description, json_schema=tool.schema
    )
