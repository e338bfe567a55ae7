"""What a workflow consists of, as plain records.

Definition, StepSpec   as a script or a file gives them
Plan, Body, Step       the same after it was read
RunOptions             how a script wants it run
WorkflowEvent          what it is told meanwhile
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from ... import typespec
from ...values import FunctionRef

BlockType = Literal["sequential", "parallel", "conditional", "loop", "map_reduce", "graph"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What steps there are, and how they follow each other.

    type: how: by default "sequential"; "conditional" where there are branches, "map_reduce" where
        there is `map`, "graph" where a step has `needs`.
    steps: the steps.
    branches: of a conditional, maps {when = ..., steps = {...}}: the first whose condition holds
        is taken; the last may have none.
    over: what a loop or a map goes over: a list, a template of one, or what gives one: a function,
        or {call = name} for one of the handlers.
    map: the step that is done for each item.
    reduce: the step that makes one value of what the map gave.
    until: a condition that ends a loop, looked at after each turn: a template, a comparison, a
        function, or {call = name}.
    max_iterations: turns of a loop at most; 100 by default. Reaching it is a failure, unless the
        loop has neither `until` nor `over`: then it is how often.
    max_parallel: how many steps run at the same time, 1 to 64; 8 by default.
    """

    type: BlockType | None = None
    steps: list[dict[str, Any]] | None = None
    branches: list[dict[str, Any]] | None = None
    over: Any = None
    map: dict[str, Any] | None = None
    reduce: dict[str, Any] | None = None
    until: Any = None
    max_iterations: int | None = None
    max_parallel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition(Block):
    """A workflow.

    name: its name.
    description: what it is for.
    variables: values by name, which templates use and steps may set.
    on_error: what the failure of a step means where the step does not say; "fail" by default.
    """

    name: str = "workflow"
    description: str | None = None
    variables: dict[str, Any] | None = None
    on_error: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec(Block):
    """A step: one of prompt, agent, tool, spell, call, wait, approval, set, or steps of its
    own.

    id: its name in templates.
    description: what it is for.
    prompt: what to ask a model.
    model: the model of a prompt.
    system: the instructions of a prompt.
    temperature: how freely a prompt is answered.
    max_tokens: the longest answer to a prompt, in tokens.
    schema: what the answer to a prompt must look like; the output is data then.
    agent: an agent, or what one is: its options.
    tool: name of a tool.
    args: arguments of the tool.
    spell: path of a spell to run, as for `spell.run`; its output is what that returns.
    params: what the spell gets as `params`.
    call: a function of the script, or the name under which `handlers` has one.
    input: the task of the agent; what a function is given as `input`.
    wait: seconds to wait.
    approval: what somebody has to agree to.
    set: variables to set.
    save_as: a variable that takes the output.
    needs: ids of steps of a graph that must be done before.
    when: a condition without which the step is skipped.
    retries: how often it is tried again, 0 to 100.
    retry_delay: seconds before each further attempt.
    timeout: seconds for each attempt.
    on_error: what its failure means: "fail" ends the workflow, "skip" leaves out the steps of a
        graph that need it too, "continue" goes on, {fallback = value} goes on with a value.
    """

    id: str
    description: str | None = None
    prompt: str | None = None
    model: Any = None
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    schema: typespec.JsonSchema | str | None = None
    agent: Any = None
    tool: str | None = None
    args: dict[str, Any] | None = None
    spell: str | None = None
    params: dict[str, Any] | None = None
    call: Any = None
    input: Any = None
    wait: float | None = None
    approval: str | None = None
    set: dict[str, Any] | None = None
    save_as: str | None = None
    needs: list[str] | None = None
    when: Any = None
    retries: int = 0
    retry_delay: float = 0.0
    timeout: float | None = None
    on_error: Any = None


@dataclass(slots=True)
class Step:
    """A step that was read. A `body` is there when it has steps of its own."""

    spec: StepSpec
    kind: str
    path: str
    body: Body | None = None
    needs: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Its name."""
        return self.spec.id


@dataclass(slots=True)
class Branch:
    """One way of a conditional."""

    when: Any
    steps: list[Step]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run a workflow.

    input: what templates call `input`.
    variables: values of variables of the workflow, in the place of those it has.
    on_event: is given a WorkflowEvent whenever something happens.
    on_approval: is given {step, message} where somebody has to agree, and tells whether they do;
        without it a step waits for `workflow.approve`.
    """

    input: Any = None
    variables: dict[str, Any] | None = None
    on_event: FunctionRef | None = None
    on_approval: FunctionRef | None = None


@dataclass(frozen=True, slots=True)
class WorkflowEvent:
    """Something that happened in a run of a workflow.

    type: what: "workflow_started", "step_started", "step_retrying", "step_waiting" (for somebody to
        agree), "step_completed", "step_failed", "step_skipped", "workflow_paused",
        "workflow_resumed", "workflow_completed", "workflow_failed" or "workflow_cancelled".
    step: id of the step.
    attempt: which attempt of the step it was, from 1.
    output: what the step, or the workflow, gave.
    error: what went wrong.
    message: what somebody has to agree to.
    """

    type: str
    step: str | None = None
    attempt: int | None = None
    output: Any = None
    error: str | None = None
    message: str | None = None


@dataclass(slots=True)
class Body:
    """The steps of a block that was read."""

    type: str
    spec: Block
    steps: list[Step] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)
    map: Step | None = None
    reduce: Step | None = None

    def children(self) -> Iterator[Step]:
        """Every step directly below."""
        yield from self.steps
        for branch in self.branches:
            yield from branch.steps
        for step in (self.map, self.reduce):
            if step is not None:
                yield step


@dataclass(slots=True)
class Plan:
    """A workflow that was read: its steps by id, in the order in which they stand."""

    definition: Definition
    body: Body
    steps: dict[str, Step]


def weight(value: Any) -> int:
    """About how many bytes a value takes."""
    size, waiting = 0, [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str | bytes):
            size += len(part)
        elif isinstance(part, dict):
            waiting += part.values()
            size += sum(map(len, part))
        elif isinstance(part, list):
            waiting += part
        size += 16
    return size
