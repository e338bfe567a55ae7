"""workflow: several prompts, agents, tools and functions, in order or at the same time.

A workflow is a map, or YAML, with `steps`: maps that have an `id` and one of

    prompt   what to ask a model          tool   a tool, with `args`
    agent    an agent, with its `input`   call   a function, which is given {input, outputs, ...}
    wait     seconds                      approval   what somebody has to agree to
    set      variables to set             steps, branches, map   steps inside the step

Texts may have templates: `{{search.output}}` is what the step `search` gave,
`{{search.output.1.url}}` a part of it, `{{topic}}` a variable, `{{input}}` what the run was given.
Nothing else can be in them.
"""

from __future__ import annotations

from typing import Any, Literal

from ..capability import capability, handle
from ..errors import BadArgument
from ..host.context import Context
from ..host.workflows import steps as workflow_steps
from ..host.workflows import workflow as workflows
from ..host.workflows.records import RunOptions, WorkflowEvent
from ..host.workflows.workflow import Workflow, WorkflowEvents, WorkflowResult, WorkflowStatus
from ..values import FunctionRef
from .schema import SchemaFault, Validation

handle("workflow")(Workflow)
handle("workflow_events", iterate="next", close="stop")(WorkflowEvents)


@capability("workflow.create", since="0.1", again=True)
def create(
    ctx: Context,
    definition: dict[str, Any] | None = None,
    handlers: dict[str, FunctionRef] | None = None,
) -> Workflow:
    """Makes a workflow. What is wrong with it is refused here, with the step it is in.

    definition: its name, type, variables and steps; steps can be added later too.
    handlers: functions by the names that `call` has for them.
    returns: the workflow.
    """
    return Workflow(ctx, definition or {}, workflows.check_handlers(handlers or {}))


@capability("workflow.import", since="0.1", again=True)
async def import_(
    ctx: Context, text: str, handlers: dict[str, FunctionRef] | None = None
) -> Workflow:
    """Makes a workflow of text.

    text: its definition in YAML or JSON.
    handlers: functions by the names that `call` has for them.
    returns: the workflow.
    """
    data = await ctx.beside.do(workflows.parsed, text)
    return Workflow(ctx, data, workflows.check_handlers(handlers or {}))


@capability("workflow.export", since="0.1", again=True)
async def export(ctx: Context, workflow: Workflow, format: Literal["yaml", "json"] = "yaml") -> str:
    """Writes a workflow as text, of which `workflow.import` makes the same again.

    workflow: the workflow. Its functions must be among its handlers.
    format: in which form.
    returns: the text.
    """
    return await ctx.beside.do(workflows.written, workflow.text(), format)


@capability("workflow.validate", since="0.1", again=True)
async def validate(
    ctx: Context,
    definition: dict[str, Any] | str,
    handlers: dict[str, FunctionRef] | None = None,
) -> Validation:
    """Checks a definition without making a workflow of it.

    definition: the definition, as a map, or as YAML or JSON.
    handlers: functions by the names that `call` has for them.
    returns: whether it is right, and what is wrong with it.
    """
    try:
        data = definition
        if isinstance(data, str):
            data = await ctx.beside.do(workflows.parsed, data)
        workflow_steps.read(data, workflows.check_handlers(handlers or {}), ctx.keep)
    except BadArgument as error:
        return Validation(False, [SchemaFault("", error.message)])
    return Validation(True, [])


@capability("workflow.add", since="0.1", again=True)
def add(
    ctx: Context, workflow: Workflow, step: dict[str, Any], before: str | None = None
) -> Workflow:
    """Adds a step.

    workflow: the workflow.
    step: the step.
    before: id of the step it comes before; at the end when left out.
    returns: the workflow, so that more can be added.
    """
    workflow.add(step, before)
    return workflow


@capability("workflow.update", since="0.1", again=True)
def update(ctx: Context, workflow: Workflow, id: str, changes: dict[str, Any]) -> Workflow:
    """Changes a step.

    workflow: the workflow.
    id: id of the step.
    changes: the fields that are to be different.
    returns: the workflow.
    """
    workflow.update(id, changes)
    return workflow


@capability("workflow.remove", since="0.1", again=True)
def remove(ctx: Context, workflow: Workflow, id: str) -> Workflow:
    """Takes a step out.

    workflow: the workflow.
    id: id of the step; no other step may use what it gives.
    returns: the workflow.
    """
    workflow.remove(id)
    return workflow


@capability("workflow.steps", since="0.1", again=True)
def steps(ctx: Context, workflow: Workflow) -> list[dict[str, Any]]:
    """Gives the steps as they were given.

    workflow: the workflow.
    returns: the steps, in their order.
    """
    return workflow.steps()


@capability("workflow.set_variable", since="0.1", again=True)
def set_variable(ctx: Context, workflow: Workflow, name: str, value: Any) -> Workflow:
    """Sets a variable. While the workflow runs, only those it has can be set, for that run.

    workflow: the workflow.
    name: name of the variable.
    value: its value.
    returns: the workflow.
    """
    workflow.set_variable(name, value)
    return workflow


@capability("workflow.variables", since="0.1", again=True)
def variables(ctx: Context, workflow: Workflow) -> dict[str, Any]:
    """Gives the variables, as they are now.

    workflow: the workflow.
    returns: values by name.
    """
    return workflow.variables


@capability("workflow.run", since="0.1", again=True)
async def run(
    ctx: Context, workflow: Workflow, options: RunOptions = RunOptions()
) -> WorkflowResult:
    """Runs a workflow and waits for its end. The failure of a step fails here, unless it says else.

    workflow: the workflow; it runs once at a time.
    options: its input and variables, and who is told what happens.
    returns: the outputs.
    """
    return await workflow.run(options)


@capability("workflow.stream", since="0.1")
def stream(ctx: Context, workflow: Workflow, options: RunOptions = RunOptions()) -> WorkflowEvents:
    """Runs a workflow and tells what happens. It begins when the first event is asked for.

    workflow: the workflow.
    options: its input and variables.
    returns: a stream of events; the last one has the output.
    """
    return WorkflowEvents(ctx.meter, workflow, options)


@capability("workflow.next", since="0.1")
async def next_(ctx: Context, events: WorkflowEvents) -> WorkflowEvent | None:
    """Waits for the next event.

    events: the stream.
    returns: the event, or nothing at the end. The failure that ended the run fails here.
    """
    return await events.next()


@capability("workflow.stop", since="0.1")
async def stop(ctx: Context, events: WorkflowEvents) -> None:
    """Ends a stream early, and the run behind it.

    events: the stream.
    """
    await events.close()


@capability("workflow.pause", since="0.1", again=True)
def pause(ctx: Context, workflow: Workflow) -> None:
    """Has no further step of a running workflow begin. Steps that are under way go on.

    workflow: the workflow.
    """
    workflow.pause()


@capability("workflow.resume", since="0.1", again=True)
def resume(ctx: Context, workflow: Workflow) -> None:
    """Goes on after a pause.

    workflow: the workflow.
    """
    workflow.resume()


@capability("workflow.cancel", since="0.1", again=True)
async def cancel(ctx: Context, workflow: Workflow) -> None:
    """Ends a run and what its steps are doing; the run fails with the code "cancelled".

    workflow: the workflow. One that is not running stays as it is.
    """
    await workflow.cancel()


@capability("workflow.approve", since="0.1", again=True)
def approve(
    ctx: Context,
    workflow: Workflow,
    step: str,
    approved: bool = True,
    comment: str | None = None,
) -> None:
    """Tells a step that waits for it what was decided.

    workflow: the workflow.
    step: id of the step.
    approved: whether it may go on; if not, the step fails with the code "not_approved".
    comment: what else there is to say.
    """
    workflow.approve(step, {"approved": approved, "comment": comment})


@capability("workflow.status", since="0.1", again=True)
def status(ctx: Context, workflow: Workflow) -> WorkflowStatus:
    """Tells how a workflow stands.

    workflow: the workflow.
    returns: its state, and that of each step.
    """
    return workflow.status


@capability("workflow.mermaid", since="0.1", again=True)
def mermaid(ctx: Context, workflow: Workflow) -> str:
    """Draws a workflow as a Mermaid flowchart, coloured by the state of its steps.

    workflow: the workflow.
    returns: the text that Mermaid draws.
    """
    return workflow.picture()
