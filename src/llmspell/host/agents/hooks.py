"""This unit lets functions look at requests to models and at calls of tools, and change them.

    HookOptions     what a hook looks at, and when its turn is
    Hooks           the hooks of one run; `around` puts them around a model

Those of the script have their turns by priority, high ones first; those of the program that runs
it come after, so that it has the last word.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ... import typespec
from ...errors import BadArgument, CapabilityError, NotFound, ScriptError, UsageError, near_miss
from ...values import FunctionRef
from ..failures import failure_of
from ..tools.toolbox import in_nobodys_name

if TYPE_CHECKING:
    from pydantic_ai.models import Model

    from ..context import Context

MAX_HOOKS = 64
"""Hooks of one script."""

LONGEST_ID = 64
POINTS = ("before_generate", "after_generate", "before_tool_call", "after_tool_call")


FIXED = {
    "before_generate": ("model", "agent"),
    "after_generate": ("model", "agent", "tools"),
    "before_tool_call": ("tool", "result", "error"),
    "after_tool_call": ("tool", "error"),
}
"""Point -> what a hook is told there and cannot change."""


@dataclass(frozen=True, slots=True)
class HookOptions:
    """What a hook looks at. Each function is given a map, and gives what to change, or nothing.

    priority: those with a higher one have their turn first.
    before_generate: is given the request before each request to a model.
    after_generate: is given the answer after each answer of a model.
    before_tool_call: is given tool and args before each call of a tool.
    after_tool_call: is given tool, args, and result or error, after each call of a tool.
    """

    priority: int = 0
    before_generate: FunctionRef | None = None
    after_generate: FunctionRef | None = None
    before_tool_call: FunctionRef | None = None
    after_tool_call: FunctionRef | None = None


@dataclass(frozen=True, slots=True)
class HookInfo:
    """A hook.

    id: its name.
    priority: its priority.
    enabled: whether it has its turns.
    points: what it looks at, such as "before_generate".
    """

    id: str
    priority: int
    enabled: bool
    points: list[str]


@dataclass(frozen=True, slots=True)
class HookMessage:
    """One message that is sent to a model.

    role: who speaks: "system", "user", "assistant" or "tool".
    content: what is said.
    """

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """A request to a model. All but `model` and `agent` can be changed.

    model: the model, as "provider/model".
    agent: name of the agent that asks, if it has one.
    messages: what is sent. Their texts can be changed, and messages can be added at the end.
    temperature: how freely it answers.
    max_tokens: most tokens of the answer.
    top_p: the share of likely words it chooses from.
    seed: a number that makes answers repeatable where the provider can.
    stop: texts at which the answer ends.
    """

    model: str | None = None
    agent: str | None = None
    messages: list[HookMessage] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: list[str] | None = None


@dataclass(frozen=True, slots=True)
class GenerateAnswer:
    """An answer of a model. `content` can be changed; with such a hook, streams come in one piece.

    content: its text.
    model: the model, as "provider/model".
    agent: name of the agent that asked, if it has one.
    tools: names of the tools it wants to be run.
    """

    content: str | None = None
    model: str | None = None
    agent: str | None = None
    tools: list[str] | None = None


@dataclass(frozen=True, slots=True)
class ToolRun:
    """A call of a tool. Before it, `args` can be changed; after it, `result`.

    tool: name of the tool.
    args: its arguments.
    result: what it gave.
    error: why it failed; a result that is given instead has it succeed.
    """

    tool: str | None = None
    args: dict[str, Any] | None = None
    result: Any = None
    error: str | None = None


class Hook:
    """One hook. That of the program is `fixed`: no script sees it or can take it away."""

    def __init__(self, id: str, priority: int, calls: Mapping[str, Any], fixed: bool) -> None:
        self.id, self.priority, self.calls, self.fixed = id, priority, calls, fixed
        self.enabled = True

    def info(self) -> HookInfo:
        """What is told of it."""
        return HookInfo(self.id, self.priority, self.enabled, [*self.calls])


def of_program(given: Mapping[str, Mapping[str, Any]]) -> list[Hook]:
    """The hooks a program gives, by their ids. Raises UsageError."""
    hooks = []
    for id, options in given.items():
        if not isinstance(options, Mapping):
            kind = type(options).__name__
            raise UsageError(f"hook {id} must be a mapping of functions, got {kind}")
        for name, value in options.items():
            if name not in (*POINTS, "priority"):
                raise UsageError(f"hook {id} has no {name}{near_miss(str(name), POINTS)}")
            fits = isinstance(value, int) if name == "priority" else callable(value)
            if not fits:
                wanted = "an integer" if name == "priority" else "a function"
                raise UsageError(f"hook {id}: {name} must be {wanted}, got {type(value).__name__}")
        calls = {point: options[point] for point in POINTS if point in options}
        if not calls:
            raise UsageError(f"hook {id} must have one of {', '.join(POINTS)}")
        hooks.append(Hook(id, options.get("priority", 0), calls, fixed=True))
    return hooks


class Hooks:
    """The hooks of one run."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._hooks: dict[str, Hook] = {}
        self._fixed: list[Hook] = []
        ctx.meter.around = self.around

    def register(self, id: str, options: HookOptions) -> None:
        """Adds a hook of the script. One of the same id is replaced."""
        if not 0 < len(id) <= LONGEST_ID:
            raise BadArgument(f"id must have 1 to {LONGEST_ID} characters, got {len(id)}")
        if id not in self._hooks and len(self._hooks) == MAX_HOOKS:
            raise BadArgument(f"a script has at most {MAX_HOOKS} hooks")
        calls = {point: getattr(options, point) for point in POINTS}
        given = {point: call for point, call in calls.items() if call is not None}
        if not given:
            raise BadArgument(f"options must have one of {', '.join(POINTS)}")
        self._hooks.pop(id, None)
        self._hooks[id] = Hook(id, options.priority, given, fixed=False)

    def fix(self, hooks: list[Hook]) -> None:
        """Adds the hooks of the program."""
        self._fixed += hooks

    def get(self, id: str) -> Hook:
        """The hook of an id. Raises NotFound with the nearest there is."""
        hook = self._hooks.get(id)
        if hook is None:
            raise NotFound(f"there is no hook {id}{near_miss(id, self._hooks)}")
        return hook

    def remove(self, id: str) -> None:
        """Takes a hook away."""
        self.get(id)
        del self._hooks[id]

    def clear(self) -> None:
        """Takes every hook of the script away."""
        self._hooks.clear()

    def infos(self) -> list[HookInfo]:
        """Every hook of the script, in the order of their turns."""
        return [hook.info() for hook in self._ordered() if not hook.fixed]

    def _ordered(self) -> list[Hook]:
        key = lambda hook: -hook.priority  # noqa: E731
        return [*sorted(self._hooks.values(), key=key), *sorted(self._fixed, key=key)]

    def at(self, point: str) -> list[Hook]:
        """Those that are to be asked at a point, in the order of their turns."""
        return [hook for hook in self._ordered() if hook.enabled and point in hook.calls]

    async def ask(self, hook: Hook, point: str, told: Any) -> Any:
        """What one hook gives, as a record of the kind it was told. Raises BadArgument."""
        who = f"{point} of the hook {hook.id}"
        try:
            with in_nobodys_name():
                answer = hook.calls[point](told)
                if inspect.isawaitable(answer):
                    answer = await answer
        except Exception as error:
            if not hook.fixed:
                raise
            raise failure_of(who, error) from error
        if answer is None:
            return None
        try:
            record = typespec.read(type(told))
            given = (
                answer
                if isinstance(answer, type(told))
                else record.fit(answer, "its result", typespec.NO_RUN)
            )
        except typespec.Misfit as misfit:
            raise BadArgument(f"{who}: {misfit}") from None
        for name in FIXED[point]:
            if getattr(given, name) not in (None, getattr(told, name)):
                raise BadArgument(f"{who}: cannot change the {name}")
        return given

    async def before_tool(self, tool: str, args: dict[str, Any]) -> dict[str, Any]:
        """The arguments a tool is to have."""
        for hook in self.at("before_tool_call"):
            given = await self.ask(hook, "before_tool_call", ToolRun(tool, args))
            if given is not None and given.args is not None:
                args = given.args
        return args

    async def after_tool(
        self, tool: str, args: dict[str, Any], result: Any, error: str | None
    ) -> tuple[Any, str | None]:
        """The result a tool is to have had, and why it is to have failed."""
        for hook in self.at("after_tool_call"):
            given = await self.ask(hook, "after_tool_call", ToolRun(tool, args, result, error))
            if given is not None and given.result is not None:
                result, error = given.result, None
        return result, error

    async def around_tool(
        self, tool: str, args: dict[str, Any], run: Callable[[dict[str, Any]], Awaitable[Any]]
    ) -> Any:
        """Runs a tool between its hooks."""
        args = await self.before_tool(tool, args)
        failure: CapabilityError | ScriptError | None = None
        result: Any = None
        try:
            result = await run(args)
        except (CapabilityError, ScriptError) as error:
            failure = error
        told = None if failure is None else failure.message
        result, told = await self.after_tool(tool, args, result, told)
        if failure is not None and told is not None:
            raise failure
        return result

    def around(self, model: Model[Any], name: str, agent: str | None = None) -> Model[Any]:
        """The model with the hooks before and after each of its requests."""
        if not self.at("before_generate") and not self.at("after_generate"):
            return model
        from .hooked_models import HookedModel

        return HookedModel(model, self, name, agent)
