"""Workflows: steps that a script, a table or a file puts together, checked before they run.

Workflow        built step by step or at once; run, paused, cancelled, written as text
WorkflowEvents  what happens in a run, one event after another
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ...errors import BadArgument, Cancelled, CapabilityError, HostFailure, NotFound, near_miss
from ...values import FunctionRef, Handle, kind_of
from ..formats import documents, yaml
from ..tasks import end
from .pictures import mermaid
from .records import Plan, RunOptions, WorkflowEvent, weight
from .runs import Execution
from .steps import ID, MAX_SIZE, read
from .values import Outcome

if TYPE_CHECKING:
    from ...limits import Meter
    from ..context import Context

MAX_HANDLERS = 256

EVENTS_AHEAD = 64
"""Events kept for a reader that is slower than the workflow. They count as memory of the spell."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """How a step stands.

    id: its name.
    kind: what it is.
    status: "pending", "running", "waiting" (for somebody to agree), "completed", "failed" or
        "skipped".
    attempts: how often it was tried.
    error: what went wrong at the last attempt.
    """

    id: str
    kind: str
    status: str
    attempts: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class WorkflowStatus:
    """How a workflow stands.

    name: its name.
    status: "created", "running", "paused", "completed", "failed" or "cancelled".
    steps: its steps, as they stand in the definition.
    variables: the variables.
    error: what ended it.
    """

    name: str
    status: str
    steps: list[StepReport]
    variables: dict[str, Any]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class WorkflowResult:
    """What came of a run.

    output: of the last step; of parallel steps and of a graph a map of outputs by step.
    outputs: the output of each step that has one, by id.
    variables: the variables at the end.
    steps: how each step ended.
    """

    output: Any
    outputs: dict[str, Any]
    variables: dict[str, Any]
    steps: list[StepReport]


class Workflow:
    """Steps that are done in order, at the same time, in a graph, or again and again.

    It runs once at a time, as often as one likes, and knows how its last run stands.
    """

    def __init__(
        self, ctx: Context, definition: dict[str, Any], handlers: dict[str, FunctionRef]
    ) -> None:
        if len(handlers) > MAX_HANDLERS:
            raise BadArgument(f"handlers has more than {MAX_HANDLERS} functions")
        self._ctx = ctx
        self._handlers = handlers
        self._agents: dict[str, Handle] = {}
        self._states: dict[str, Outcome] = {}
        self._variables: dict[str, Any] = {}
        self._size = self._left = 0
        self._run: Execution | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False
        self._status = "created"
        self._error: str | None = None
        self._data: dict[str, Any] = {}
        self._plan: Plan
        self.change(definition)

    @property
    def name(self) -> str:
        """Its name."""
        return self._plan.definition.name

    def change(self, definition: dict[str, Any]) -> None:
        """Takes another definition. Raises BadArgument, and stays as it is, when it is wrong."""
        if self._run is not None:
            raise HostFailure(f"the workflow {self.name} is running", code="running")
        if not any(definition.get(key) is not None for key in ("steps", "branches", "map")):
            definition = definition | {"steps": []}
        plan = read(definition, self._handlers, self._ctx.keep)
        size = weight(definition)
        self._ctx.meter.hold(size - self._size)
        self._size, self._plan, self._data = size, plan, definition
        self._let_go()
        self._variables = dict(plan.definition.variables or {})
        self._states, self._agents = {}, {}
        self._status, self._error = "created", None

    # Building.

    def _steps(self) -> list[dict[str, Any]]:
        steps = self._data.get("steps")
        if not isinstance(steps, list):
            raise HostFailure(f"the workflow {self.name} has no list of steps", code="no_steps")
        return steps

    def _place(self, id: str) -> int:
        ids = [step["id"] for step in self._steps()]
        if id not in ids:
            raise NotFound(f"there is no step {id[:80]}{near_miss(id, ids)}")
        return ids.index(id)

    def add(self, step: dict[str, Any], before: str | None) -> None:
        """Puts a step at the end, or before another one."""
        steps = self._steps()
        at = len(steps) if before is None else self._place(before)
        self.change(self._data | {"steps": [*steps[:at], step, *steps[at:]]})

    def update(self, id: str, changes: dict[str, Any]) -> None:
        """Changes fields of a step."""
        steps, at = self._steps(), self._place(id)
        self.change(self._data | {"steps": [*steps[:at], steps[at] | changes, *steps[at + 1 :]]})

    def remove(self, id: str) -> None:
        """Takes a step out."""
        steps, at = self._steps(), self._place(id)
        self.change(self._data | {"steps": [*steps[:at], *steps[at + 1 :]]})

    def steps(self) -> list[dict[str, Any]]:
        """The steps as they were given."""
        return self._steps()

    def set_variable(self, name: str, value: Any) -> None:
        """Gives a variable a value, also while it runs. One that is new is added."""
        if self._run is not None:
            if name not in self._variables:
                close = near_miss(name, self._variables)
                raise NotFound(f"there is no variable {name[:80]}{close}")
            self._run.set_variables({name: value})
            return
        variables = {**(self._data.get("variables") or {}), name: value}
        self.change(self._data | {"variables": variables})

    @property
    def variables(self) -> dict[str, Any]:
        """The variables, as they are now."""
        return self._variables

    # Running.

    async def run(
        self,
        options: RunOptions,
        tell: Callable[[WorkflowEvent], Awaitable[None]] | None = None,
        read: Callable[[], bool] = lambda: True,
    ) -> WorkflowResult:
        """Runs it to its end. Raises the failure that ended it, or Cancelled.

        read: whether the script waits for what it is told: else it may yet do something.
        """
        if self._run is not None:
            raise HostFailure(f"the workflow {self.name} is running already", code="running")
        if not self._plan.steps:
            raise BadArgument(f"the workflow {self.name} has no steps")
        known = dict(self._plan.definition.variables or {})
        for name in options.variables or {}:
            if name not in known:
                raise BadArgument(
                    f"options.variables.{name[:80]} is no variable of the workflow"
                    f"{near_miss(name, known)}"
                )
        self._let_go()
        self._variables = known | (options.variables or {})
        self._states = {}
        self._cancelled, self._error, self._status = False, None, "running"
        run = self._run = Execution(
            self._ctx, self._plan, self._handlers, self._variables, self._states, self._agents,
            options, tell, read,
        )  # fmt: skip
        try:
            return await self._finished(run)
        except CapabilityError as error:
            if self._status == "running":
                self._status, self._error = "failed", error.message
            raise
        finally:
            if self._status == "running":
                self._status = "cancelled"
            self._run = self._task = None
            for id, state in self._states.items():
                ended = state.status not in ("running", "waiting")
                status = state.status if ended else "pending"
                self._states[id] = replace(state, status=status, output=None)
            self._left = weight(self._variables)
            self._ctx.meter.hold(self._left)

    def _let_go(self) -> None:
        """Counts the variables that the last run left no more."""
        self._ctx.meter.hold(-self._left)
        self._left = 0

    async def _finished(self, run: Execution) -> WorkflowResult:
        task = self._task = asyncio.create_task(run.whole())
        try:
            output = await task
        except asyncio.CancelledError:
            if not self._cancelled or not task.done():
                raise
            self._status = "cancelled"
            await run.emit("workflow_cancelled")
            raise Cancelled(f"the workflow {self.name} was cancelled") from None
        except CapabilityError as error:
            self._status, self._error = "failed", error.message
            await run.emit("workflow_failed", error=error.message)
            raise
        self._status = "completed"
        await run.emit("workflow_completed", output=output)
        outcomes = run.frame.outcomes
        outputs = {id: o.output for id, o in outcomes.items() if o.output is not None}
        return WorkflowResult(output, outputs, dict(self._variables), self.reports())

    def pause(self) -> None:
        """Has no further step begin. Steps under way go on."""
        self._running().unpaused.clear()

    def resume(self) -> None:
        """Goes on after a pause."""
        self._running().unpaused.set()

    def _running(self) -> Execution:
        if self._run is None:
            raise HostFailure(f"the workflow {self.name} is not running", code="not_running")
        return self._run

    async def cancel(self) -> None:
        """Ends the run and what it is doing. One that is not running stays as it is."""
        if self._task is not None:
            self._cancelled = True
            self._task.cancel()
            await asyncio.wait([self._task])

    def approve(self, step: str, decision: Any) -> None:
        """Tells a step that waits for it what was decided."""
        waiting = self._running().decisions
        for one in waiting.get(step, ()):
            if not one.done():
                one.set_result(decision)
                return
        others = [id for id, some in waiting.items() if some]
        raise NotFound(f"no step {step[:80]} waits for approval{near_miss(step, others)}")

    def reports(self) -> list[StepReport]:
        """How each step stands."""
        found = []
        for id, step in self._plan.steps.items():
            state = self._states.get(id, Outcome())
            found.append(StepReport(id, step.kind, state.status, state.attempts, state.error))
        return found

    @property
    def status(self) -> WorkflowStatus:
        """How it stands."""
        paused = self._run is not None and not self._run.unpaused.is_set()
        status = "paused" if paused else self._status
        return WorkflowStatus(self.name, status, self.reports(), self._variables, self._error)

    # As text.

    def picture(self) -> str:
        """The flowchart for Mermaid."""
        return mermaid(self._plan, self._states)

    def text(self) -> str:
        """The definition as JSON. Raises BadArgument for what has no name in text."""
        numbers = {function.id: name for name, function in self._handlers.items()}
        return documents.to_json(_plain(self._data, numbers, "the workflow"))

    async def close(self) -> None:
        """Ends a run and lets go of what is kept."""
        await self.cancel()
        self._let_go()
        self._ctx.meter.hold(-self._size)
        self._size = 0


def written(text: str, format: Literal["yaml", "json"]) -> str:
    """A definition in JSON as text for people."""
    plain = documents.from_json(text)
    return yaml.write(plain) if format == "yaml" else documents.to_json(plain, pretty=True)


def parsed(text: str) -> dict[str, Any]:
    """A definition in YAML or JSON. Raises BadArgument."""
    if len(text) > MAX_SIZE:
        raise BadArgument(f"text is longer than {MAX_SIZE} characters")
    data = documents.from_json(text) if text.lstrip().startswith("{") else yaml.read(text)
    if not isinstance(data, dict):
        raise BadArgument(f"text must be a map with the steps of a workflow, got {kind_of(data)}")
    found: dict[str, Any] = _without_nothing(data)
    return found


def _without_nothing(value: Any) -> Any:
    """A value without entries of maps that are null, as a script has it."""
    if isinstance(value, dict):
        return {k: _without_nothing(v) for k, v in value.items() if v is not None}
    return [_without_nothing(item) for item in value] if isinstance(value, list) else value


BLOCKS = frozenset({"steps", "branches", "map", "reduce"})
"""Fields of a block or step in which there are steps."""

CONDITIONS = frozenset({"when", "until", "over"})
"""Those in which a function is written as {call = name}."""


def _plain(value: Any, numbers: dict[int, str], path: str, place: str = "block") -> Any:
    """A part of a definition without functions. A `place` is block, condition, call or data."""
    if isinstance(value, FunctionRef):
        if place in ("block", "data"):
            raise BadArgument(f"{path} is a function, which a text cannot have there")
        if value.id not in numbers:
            raise BadArgument(
                f"{path} is a function: give it a name among the handlers, for export"
            )
        return numbers[value.id] if place == "call" else {"call": numbers[value.id]}
    if isinstance(value, Handle):
        told = "name" if value.kind == "pool" else "options"
        raise BadArgument(f"{path} is {kind_of(value)} that was made: give its {told}, for export")
    if isinstance(value, list):
        return [_plain(item, numbers, f"{path}[{i}]", place) for i, item in enumerate(value, 1)]
    if isinstance(value, dict):
        return {
            key: _plain(item, numbers, f"{path}.{key}", _place(place, key, item))
            for key, item in value.items()
        }
    return value


def _place(place: str, key: str, item: Any) -> str:
    """What a field of a place is."""
    if place in ("block", "condition") and key == "call":
        return "call"
    if place == "block" and key in CONDITIONS and not (key == "over" and isinstance(item, list)):
        return "condition"
    if place == "condition" and key in ("all", "any", "none"):
        return "condition"
    return "block" if place == "block" and key in BLOCKS else "data"


def check_handlers(handlers: dict[str, FunctionRef]) -> dict[str, FunctionRef]:
    """The handlers, when all have names. Raises BadArgument."""
    for name in handlers:
        if not ID.fullmatch(name):
            raise BadArgument(
                f"handlers: {name[:80]!r} cannot be a name: use letters, digits and _"
            )
    return handlers


class WorkflowEvents:
    """What happens in a run of a workflow, one WorkflowEvent after another.

    It can be iterated with the language's own loop. The run waits for a reader that is slower, and
    closing it early cancels the run.
    """

    def __init__(self, meter: Meter, workflow: Workflow, options: RunOptions) -> None:
        self._meter = meter
        self._workflow = workflow
        self._options = options
        self._events: asyncio.Queue[WorkflowEvent] = asyncio.Queue(EVENTS_AHEAD)
        self._task: asyncio.Task[WorkflowResult] | None = None
        self._closed = False
        self._readers = 0

    async def _put(self, event: WorkflowEvent) -> None:
        # What waits here may be in the workflow no more.
        size = weight(event.output)
        self._meter.hold(size)
        try:
            await self._events.put(event)
        except asyncio.CancelledError:
            self._meter.hold(-size)
            raise

    def _taken(self, event: WorkflowEvent) -> WorkflowEvent:
        self._meter.hold(-weight(event.output))
        return event

    async def next(self) -> WorkflowEvent | None:
        """The next event; None at the end. Raises the failure that ended the run."""
        if self._closed:
            return None
        if self._task is None:
            running = self._workflow.run(self._options, self._put, lambda: self._readers > 0)
            self._task = asyncio.create_task(running)
        getting = asyncio.create_task(self._events.get())
        self._readers += 1
        try:
            await asyncio.wait({getting, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return self._taken(getting.result())
        finally:
            self._readers -= 1
            getting.cancel()
        if not self._events.empty():
            return self._taken(self._events.get_nowait())
        self._closed = True
        self._task.result()
        return None

    async def close(self) -> None:
        """Cancels the run."""
        self._closed = True
        if self._task is not None:
            await end([self._task])
        while not self._events.empty():
            self._taken(self._events.get_nowait())
