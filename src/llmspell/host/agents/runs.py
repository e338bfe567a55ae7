"""One run of an agent, from its prompt to its answer.

    Work        `finish` gives the answer; `stop` ends it

Models are pydantic-ai's, the loop is not: its own takes about four times the memory, nearly twice
the time, and leaves tasks behind when it is cancelled at the wrong moment.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import BadArgument, CapabilityError, HostFailure, near_miss
from ...values import CannotCross, FunctionRef, Handle, encode, kind_of
from ..llm.conversations import settings_of
from ..llm.providers import answered_by
from ..schemas.schema import validator
from ..schemas.structured import TOOL as ANSWER
from ..tasks import ended
from ..tools.toolbox import CALLER
from .agent import CANCELLED, HAND_OFF, Agent, AgentMessage, AgentReply, ToolUse, size_of
from .allowances import Allowance
from .events import AgentEvent
from .wanted import Wanted

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
    from pydantic_ai.models import Model
    from pydantic_ai.tools import ToolDefinition

    from ...limits import Meter
    from ..context import Context

MAX_DEPTH = 8
"""How deep agents may use one another as tools."""

MAX_HAND_OFFS = 8
"""How often a task may be handed on."""

LONGEST_NAME = 100
"""Characters of the name of a tool that does not exist, as it is told and kept."""

DEEPER = 5
"""Levels that the arguments of a tool are deeper in a conversation than by themselves."""

USE = 512
"""Bytes that the use of a tool takes besides what is in it."""

MAX_AT_ONCE = 16
"""Tools that run at the same time, of those that a model wants at once: it may want thousands."""

MAX_STEPS = 20
OUTPUT_RETRIES = 2

Runner = Callable[[dict[str, Any]], Awaitable[Any]]


class Offer(NamedTuple):
    """What a model may call: what it is told of it, and what runs it."""

    description: str
    schema: dict[str, Any]
    run: Runner


class _Share(NamedTuple):
    """What an agent has of a run: what it uses is counted there, its tools from the first on."""

    meter: Allowance
    first: int


Tell = Callable[[AgentEvent], Awaitable[None]]


class Work:
    """One run of an agent, and of those it hands its task to.

    tell: is told what happens, and may hold the run back.
    above: the run of the agent that uses this one as a tool.
    """

    def __init__(
        self,
        ctx: Context,
        agent: Agent,
        history: Sequence[AgentMessage] = (),
        tell: Tell | None = None,
        above: Work | None = None,
    ) -> None:
        self.ctx, self.agent, self.history = ctx, agent, history
        if above is None:
            caller = CALLER.get()
            above = caller if isinstance(caller, Work) and caller.ctx is ctx else None
        self.depth: int = 1 if above is None else above.depth + 1
        meter: Meter = ctx.meter if above is None else above.meter
        self.whole = Allowance(agent.options.limits, meter, agent.name)
        self.meter: Allowance = self.whole
        self._shares: dict[Agent, _Share] = {}
        self._held = 0
        self._told = tell
        self._uses: list[ToolUse] = []
        self._failed: Counter[str] = Counter()
        self._handed: tuple[Agent, str] | None = None
        self._answered_by = ""
        self._task: asyncio.Task[AgentReply] | None = None

    async def finish(self, prompt: str) -> AgentReply:
        """Works until there is an answer."""
        if self.depth > MAX_DEPTH:
            raise HostFailure(f"agents use one another more than {MAX_DEPTH} deep", code="depth")
        agent, limits = self.agent, self.agent.options.limits
        seconds = None if limits is None else limits.seconds
        self.ctx.agents.enter()
        self._share(agent, self.whole)
        # In a task of its own, which agent.cancel can end without ending who waits for it.
        self._task = task = asyncio.create_task(self._work(prompt))
        try:
            done, _ = await asyncio.wait({task}, timeout=seconds)
            if not done:
                raise _late(seconds)
            if task.cancelled():
                raise HostFailure(CANCELLED, code="cancelled")
            return task.result()
        finally:
            try:
                await self._end()
            finally:
                self.ctx.agents.leave()
                self._settle()

    def stop(self) -> None:
        """Cancels it."""
        if self._task is not None:
            self._task.cancel()

    async def _end(self) -> None:
        task = self._task
        if task is not None:
            await ended([task])

    def _share(self, agent: Agent, meter: Allowance) -> None:
        agent.working.add(self)
        self._shares.setdefault(agent, _Share(meter, len(self._uses)))

    def _settle(self) -> None:
        """Counts what was used for each agent that had a share in it, and holds no more."""
        task = self._task
        done = task is not None and not task.cancelled() and task.exception() is None
        for agent, share in self._shares.items():
            agent.working.discard(self)
            agent.runs += done
            agent.failures += not done
            agent.count(share.meter.usage, self._uses[share.first :])
        self.ctx.meter.hold(-self._held)

    def _hold(self, size: int) -> None:
        """Counts bytes of the conversation with those of the script until there is an answer."""
        self._held += size
        self.ctx.meter.hold(size)

    async def _work(self, prompt: str) -> AgentReply:
        for number in range(MAX_HAND_OFFS + 1):
            # The time of the first holds for all that follow too, and is kept by `finish`.
            output = await (self._ask(prompt) if number == 0 else self._ask_in_time(prompt))
            if self._handed is None:
                return self._reply(output)
            (other, message), self._handed = self._handed, None
            await self._tell("hand_off", to=other.name)
            who = self.agent.name or "Another agent"
            note = f": {message}" if message else "."
            prompt = f"{prompt}\n\n{who} has handed this task on to you{note}"
            self.agent = other
            self.meter = Allowance(other.options.limits, self.meter, other.name)
            self._share(other, self.meter)
        raise HostFailure(f"the task was handed on more than {MAX_HAND_OFFS} times", code="depth")

    async def _ask_in_time(self, prompt: str) -> Any:
        limits = self.agent.options.limits
        seconds = None if limits is None else limits.seconds
        clock = asyncio.timeout(seconds)
        try:
            async with clock:
                return await self._ask(prompt)
        except TimeoutError:
            if not clock.expired():
                raise
            raise _late(seconds) from None

    async def _ask(self, prompt: str) -> Any:
        """What the present agent answers, or None when it has handed its task on."""
        from pydantic_ai.messages import ToolCallPart, UserPromptPart

        agent, options = self.agent, self.agent.options
        offers = self._offers()
        models = self.ctx.services.models
        profiled = models.metered(agent.model, self.meter)
        wanted = Wanted(models, profiled, agent, _definitions(offers))
        conversation = _conversation(self.history)
        parts: list[Any] = [UserPromptPart(prompt)]
        steps = options.max_steps or MAX_STEPS
        misfits = OUTPUT_RETRIES if options.output_retries is None else options.output_retries
        for _ in range(steps):
            response = await self._respond(conversation, parts, wanted)
            self._hold(sum(map(_size_of_part, response.parts)))
            calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
            if calls and (agent.form is None or calls[0].tool_name != ANSWER):
                parts = await self._run_all(calls, offers)
                if self._handed is not None:
                    return None
                continue
            if agent.form is None:
                return self._text_of(response)
            value, faults = agent.form.read(
                calls[0].args_as_json_str() if calls else response.text or ""
            )
            if not faults:
                return value
            told = "; ".join(map(str, faults))
            if misfits == 0:
                text = f"the answer does not fit the output schema: {told}"
                raise HostFailure(text, code="invalid_output")
            misfits -= 1
            parts = _complaints(calls, told)
        noun = "step" if steps == 1 else "steps"
        raise HostFailure(f"the agent had no answer after {steps} {noun}", code="steps")

    async def _respond(
        self, conversation: list[ModelMessage], parts: list[Any], wanted: Wanted
    ) -> ModelResponse:
        """One answer of the model, which is added to the conversation with what was said."""
        from pydantic_ai.direct import model_request
        from pydantic_ai.messages import ModelRequest

        models, name = self.ctx.services.models, self.agent.model
        while True:
            # Made anew: there may be hooks that were not there before.
            model = models.metered(name, self.meter)
            # An answer the provider holds to a form is data, not text to be read as it comes.
            tells = self._told is not None and wanted.mode in ("", "tool")
            request = ModelRequest(parts, instructions=wanted.instructions())
            try:
                response = await model_request(
                    self._telling(model) if tells else model,
                    [*conversation, request],
                    model_settings=self._settings(tells),
                    model_request_parameters=wanted.parameters(),
                )
            except Exception as error:
                mapped = models.map_error(error, name)
                if mapped is None:
                    raise
                if wanted.refused(mapped.code):
                    continue
                raise mapped from error
            self._answered_by = answered_by(response) or name
            conversation += [request, response]
            return response

    def _text_of(self, response: ModelResponse) -> str:
        # What is neither text nor a tool call, such as an empty answer, is refused here.
        return self.ctx.services.models.reply(self.agent.model, response, ()).content

    async def _run_all(
        self, calls: Sequence[ToolCallPart], offers: Mapping[str, Offer]
    ) -> list[Any]:
        """Runs the tools a model wants, at the same time, and gives what each has to say."""
        if len(calls) == 1:
            return [await self._run(calls[0], offers)]
        free = asyncio.Semaphore(MAX_AT_ONCE)

        async def run(call: ToolCallPart) -> Any:
            async with free:
                return await self._run(call, offers)

        tasks = [asyncio.create_task(run(call)) for call in calls]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            return [task.result() for task in tasks if task.done()]
        finally:
            await ended(tasks)

    async def _run(self, call: ToolCallPart, offers: Mapping[str, Offer]) -> Any:
        from pydantic_ai.messages import ToolReturnPart

        name, offer = call.tool_name[:LONGEST_NAME], offers.get(call.tool_name)
        if offer is not None:
            run = offer.run
        elif name == ANSWER and self.agent.form is not None:
            run = _refuse("the answer is given alone, when the tools have given theirs")
        else:
            run = _refuse(f"there is no tool {name}{near_miss(name, offers)}")
        args: dict[str, Any] = {}
        try:
            given = call.args_as_dict(raise_if_invalid=True)
            encode(given, f"the arguments of {name}", self.ctx.meter.limits.depth - DEEPER)
            args = given
        except CannotCross as error:
            run = _refuse(str(error))
        except (ValueError, AssertionError):  # the library says so of what is no object
            run = _refuse(f"the arguments of {name} are not a JSON object")
        result = await self._use(name, args, run)
        return ToolReturnPart(name, result, call.tool_call_id)

    def _telling(self, model: Model[Any]) -> Model[Any]:
        from ..llm.told_models import ToldModel

        return ToldModel(model, lambda text: self._tell("text", text=text))

    def _offers(self) -> dict[str, Offer]:
        """What the model may call, by name."""
        offers = {
            tool.name: Offer(tool.description, tool.schema, self._runner(tool.name))
            for tool in self.agent.tools
        }
        for helper in self.agent.helpers:
            offers[str(helper.name)] = Offer(_praise(helper), TASK, self._helper(helper))
        for other in self.agent.hand_offs:
            told = f"Leaves the task to {other.name}. {_praise(other)}"
            offers[f"{HAND_OFF}{other.name}"] = Offer(told, NOTE, self._hand_off(other))
        return offers

    def _runner(self, name: str) -> Runner:
        async def run(args: dict[str, Any]) -> Any:
            token = CALLER.set(self)
            try:
                return await self.ctx.invoke("tools.execute", name, args)
            finally:
                CALLER.reset(token)

        return run

    def _helper(self, helper: Agent) -> Runner:
        async def run(args: dict[str, Any]) -> Any:
            _check(str(helper.name), TASK, args)
            self.ctx.meter.charge_call()
            reply = await Work(self.ctx, helper, above=self).finish(args["task"])
            return reply.content if reply.output is None else reply.output

        return run

    def _hand_off(self, other: Agent) -> Runner:
        async def run(args: dict[str, Any]) -> Any:
            _check(f"{HAND_OFF}{other.name}", NOTE, args)
            self._handed = self._handed or (other, args.get("message") or "")
            return f"{self._handed[0].name} goes on with the task"

        return run

    async def _use(self, name: str, args: dict[str, Any], run: Runner) -> Any:
        # Its place is where the model wanted it, whichever of several ends first.
        place = len(self._uses)
        self._uses.append(ToolUse(name, args))
        await self._tell("tool_call", tool=name, args=args)
        try:
            result = _readable(await run(args))
        except CapabilityError as error:
            if error.code == "depth":
                raise  # or each agent above would try again, in vain and many times
            # A failed tool is news for the model, not the end of the run.
            self._hold(len(error.message) + USE)
            self._uses[place] = ToolUse(name, args, error=error.message)
            await self._tell("tool_result", tool=name, error=error.message)
            self._failed[name] += 1
            retries = self.agent.options.tool_retries
            if retries is not None and self._failed[name] > retries:
                text = f"the tool {name} failed beyond tool_retries = {retries}: {error.message}"
                raise HostFailure(text, code="tool_failed") from error
            return f"error: {error.message}"
        self._hold(size_of(result) + USE)
        self._uses[place] = ToolUse(name, args, result)
        await self._tell("tool_result", tool=name, result=result)
        return result

    async def _tell(self, type: Any, **what: Any) -> None:
        if self._told is not None:
            await self._told(AgentEvent(type, self.agent.name, **what))

    def _settings(self, tells: bool) -> Any:
        options = self.agent.options
        settings: Any = settings_of(options)
        settings["timeout"] = seconds = options.timeout or self.ctx.services.models.settings.timeout
        if not tells:
            settings["request_timeout"] = seconds
        return settings

    def _reply(self, output: Any) -> AgentReply:
        agent, used = self.agent, self.whole.usage
        content, data = output, None
        if agent.form is not None:
            content, data = json.dumps(output, ensure_ascii=False), output
        return AgentReply(
            content, self._answered_by, self._uses, used.input_tokens, used.output_tokens,
            used.cost, data, agent.name, self.whole.requests,
        )  # fmt: skip


TASK: dict[str, Any] = {
    "type": "object",
    "properties": {"task": {"type": "string", "description": "what it is to do, in full"}},
    "required": ["task"],
}

NOTE: dict[str, Any] = {
    "type": "object",
    "properties": {"message": {"type": "string", "description": "what it must know"}},
}


def _definitions(offers: Mapping[str, Offer]) -> list[ToolDefinition]:
    from pydantic_ai.tools import ToolDefinition

    return [
        ToolDefinition(
            name=name, description=offer.description, parameters_json_schema=offer.schema
        )
        for name, offer in offers.items()
    ]


def _readable(result: Any) -> Any:
    """What a tool gave, when a model can be told of it."""
    waiting = [result]
    while waiting:
        value = waiting.pop()
        if isinstance(value, FunctionRef | Handle):
            raise HostFailure(f"it gave {kind_of(value)}, which no model can read", code="result")
        if isinstance(value, Mapping | list):
            waiting.extend(value.values() if isinstance(value, Mapping) else value)
    return result


def _late(seconds: float | None) -> HostFailure:
    return HostFailure(f"the agent had no answer within {seconds or 0:g} s", code="timeout")


def _size_of_part(part: Any) -> int:
    """Bytes of a part of an answer, about."""
    return size_of(getattr(part, "content", None)) + size_of(getattr(part, "args", None))


def _praise(agent: Agent) -> str:
    """What another agent is told of one it may use."""
    told = agent.options.description or agent.options.system or ""
    return told[:1000] or f"The agent {agent.name}."


def _check(name: str, schema: dict[str, Any], args: dict[str, Any]) -> None:
    if told := validator(schema).complaint(args):
        raise BadArgument(f"{name}: {told}")


def _refuse(complaint: str) -> Runner:
    async def run(args: dict[str, Any]) -> Any:
        raise BadArgument(complaint)

    return run


def _complaints(calls: Sequence[ToolCallPart], told: str) -> list[Any]:
    """What is said of an answer that does not fit."""
    from pydantic_ai.messages import ToolReturnPart, UserPromptPart

    text = f"The answer does not fit the schema: {told}. Give the whole answer again."
    if not calls:
        return [UserPromptPart(text)]
    return [ToolReturnPart(call.tool_name, text, call.tool_call_id) for call in calls]


def _conversation(history: Sequence[AgentMessage]) -> list[ModelMessage]:
    """A conversation as pydantic-ai wants it, with the tools that were run."""
    from pydantic_ai.messages import (
        ModelRequest,
        ModelResponse,
        TextPart,
        ToolCallPart,
        ToolReturnPart,
        UserPromptPart,
    )

    turns: list[ModelMessage] = []
    for place, message in enumerate(history):
        if message.role == "user":
            turns.append(ModelRequest([UserPromptPart(message.content)]))
            continue
        uses = [(f"call_{place}_{i}", use) for i, use in enumerate(message.tool_calls or ())]
        if uses:
            calls = [ToolCallPart(use.name, use.args, tool_call_id=id) for id, use in uses]
            turns.append(ModelResponse(calls))
            said = [
                ToolReturnPart(use.name, f"error: {use.error}" if use.error else use.result, id)
                for id, use in uses
            ]
            turns.append(ModelRequest(said))
        turns.append(ModelResponse([TextPart(message.content)]))
    return turns
