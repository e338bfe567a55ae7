"""Reads workflows from plain data, and refuses what is wrong with them before anything runs.

A block is the workflow itself, or a step with steps of its own. A step may use what comes before
it, the variables, `input`, and in loops `item`, `index` and `iteration`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, NoReturn, get_type_hints

from ... import typespec
from ...errors import BadArgument, near_miss
from ...values import FunctionRef, Handle, kind_of
from ..agents.agent import AgentOptions
from ..formats import templates
from ..llm.conversations import unfit
from ..schemas import schema as schemas
from .names import Names, order, paths_of
from .records import Block, Body, Branch, Definition, Plan, Step, StepSpec, weight

MAX_STEPS = 1000
"""Steps of a workflow, those inside others included."""

MAX_SIZE = 1024 * 1024
"""Bytes of a definition."""

MAX_DEPTH = 8
"""How deep steps stand in each other."""

MAX_ITERATIONS = 10_000
"""Turns of a loop, and items of a map."""

MAX_PARALLEL = 64

MAX_RETRIES = 100

ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

RESERVED = frozenset({"input", "item", "index", "iteration"})
"""Names of templates that are neither steps nor variables."""

COMPARISONS = ("equals", "not_equals", "above", "below", "at_least", "at_most", "contains",
               "one_of", "exists")  # fmt: skip

KINDS = ("prompt", "agent", "tool", "spell", "call", "wait", "approval", "set")
"""Kinds of a step without steps of its own; each is named by the field that makes it one."""

ONLY: dict[str, tuple[str, ...]] = {
    "model": ("prompt",), "system": ("prompt",), "temperature": ("prompt",),
    "max_tokens": ("prompt",), "schema": ("prompt",), "args": ("tool",),
    "params": ("spell",),
    "input": ("agent", "call"),
}  # fmt: skip
"""Field -> the kinds of step that have a use for it."""


_DEFINITION = typespec.read(Definition)
_STEP = typespec.read(StepSpec)
_MODEL = typespec.read(typespec.ModelName)
_USERS = ("tools", "hand_offs")
_AGENT = {
    name: typespec.read(hint)
    for name, hint in get_type_hints(AgentOptions).items()
    if name not in _USERS
}
"""Option of an agent -> its type; of what may be other agents, that is seen when it is made."""
_BLOCK_FIELDS = tuple(item.name for item in fields(Block))


def read(data: dict[str, Any], handlers: Mapping[str, Any], keep: Callable[[Handle], Any]) -> Plan:
    """The plan of a definition. Raises BadArgument.

    handlers: names that `call` may use.
    keep: keeps what a handle stands for and gives it, or refuses it.
    """
    return _Reader(handlers, keep).whole(data)


class _Reader:
    def __init__(self, handlers: Mapping[str, Any], keep: Callable[[Handle], Any]) -> None:
        self.handlers = handlers
        self.keep = keep
        self.steps: dict[str, Step] = {}
        self.variables: Mapping[str, Any] = {}

    def whole(self, data: dict[str, Any]) -> Plan:
        if weight(data) > MAX_SIZE:
            _refuse(f"definition is larger than {MAX_SIZE} bytes")
        definition: Definition = self.fit(_DEFINITION, data, "definition")
        self.variables = definition.variables or {}
        for name in self.variables:
            self.check_name(name, "definition.variables")
        check_policy(definition.on_error, "definition.on_error")
        body = self.body(definition, "definition", 1)
        if body is None:
            _refuse("definition has no steps: give it steps, branches, or over and map")
        Names(self.steps, self.variables).check(body, frozenset())
        return Plan(definition, body, self.steps)

    def fit(self, record: typespec.Type, data: Any, path: str) -> Any:
        try:
            return record.fit(data, path, self)
        except typespec.Misfit as misfit:
            raise BadArgument(str(misfit)) from None

    def resolve(self, handle: Handle) -> Any:
        """What a handle in a definition stands for."""
        return self.keep(handle)

    def check_name(self, name: str, path: str) -> None:
        if name in RESERVED:
            _refuse(f"{path}: {name!r} cannot be a name: templates have another use for it")
        if not ID.fullmatch(name):
            _refuse(f"{path}: {name[:80]!r} cannot be a name: use letters, digits and _")

    def body(self, spec: Block, path: str, depth: int) -> Body | None:
        """The steps of a block; None where it has none of its own."""
        if spec.steps is None and spec.branches is None and spec.map is None:
            for name in _BLOCK_FIELDS:
                if name != "steps" and getattr(spec, name) is not None:
                    _refuse(f"{path}.{name} is for what has steps of its own")
            return None
        if depth > MAX_DEPTH:
            _refuse(f"{path}: steps stand in each other more than {MAX_DEPTH} deep")
        body = Body(self.type(spec, path), spec)
        self.check_fields(body, path)
        if body.type == "conditional":
            count = len(spec.branches or ())
            body.branches = [
                self.branch(branch, f"{path}.branches[{i}]", depth, last=i == count)
                for i, branch in enumerate(spec.branches or (), 1)
            ]
        elif body.type == "map_reduce":
            body.map = self.step(spec.map, f"{path}.map", depth)
            if spec.reduce is not None:
                body.reduce = self.step(spec.reduce, f"{path}.reduce", depth)
        else:
            body.steps = self.list(spec.steps or [], f"{path}.steps", depth)
        if body.type == "graph":
            order(body, path)
        for step in body.children():
            if step.spec.needs and body.type != "graph":
                _refuse(f"the step {step.id}: needs is for steps of a graph, not of a {body.type}")
        return body

    def type(self, spec: Block, path: str) -> str:
        graph = any(isinstance(step, dict) and step.get("needs") for step in spec.steps or ())
        looks = "sequential"
        if spec.branches is not None:
            looks = "conditional"
        elif spec.map is not None:
            looks = "map_reduce"
        elif spec.type is None and graph:
            looks = "graph"
        elif spec.type is None and (spec.over is not None or spec.until is not None):
            looks = "loop"
        chosen = spec.type or looks
        wanted = {"conditional": "branches", "map_reduce": "map"}.get(chosen, "steps")
        for name in ("steps", "branches", "map"):
            if (getattr(spec, name) is not None) != (name == wanted):
                _refuse(f"{path} is of type {chosen}, so it must have {wanted}, and no other steps")
        return chosen

    def check_fields(self, body: Body, path: str) -> None:
        spec, kind = body.spec, body.type
        allowed = {
            "over": ("loop", "map_reduce"), "reduce": ("map_reduce",), "until": ("loop",),
            "max_iterations": ("loop",), "max_parallel": ("parallel", "map_reduce", "graph"),
        }  # fmt: skip
        for name, kinds in allowed.items():
            if getattr(spec, name) is not None and kind not in kinds:
                _refuse(f"{path}.{name} is for {' and '.join(kinds)}, not for {kind}")
        if kind == "map_reduce" and spec.over is None:
            _refuse(f"{path}.over is missing: it must be a list, or a template of one")
        ends = (spec.until, spec.over, spec.max_iterations)
        if kind == "loop" and all(end is None for end in ends):
            _refuse(f"{path}: a loop must have until, over or max_iterations")
        _bound(spec.max_iterations, 1, MAX_ITERATIONS, f"{path}.max_iterations")
        _bound(spec.max_parallel, 1, MAX_PARALLEL, f"{path}.max_parallel")
        if spec.until is not None:
            check_condition(spec.until, f"{path}.until", self.handlers)
        if isinstance(spec.over, dict) and spec.over.keys() == {"call"}:
            check_function(spec.over["call"], f"{path}.over", self.handlers)
        elif spec.over is not None and not isinstance(spec.over, list | str | FunctionRef):
            _refuse(f"{path}.over must be a list, or a template of one, got {kind_of(spec.over)}")
        if isinstance(spec.over, str) and templates.only_path(spec.over) is None:
            _refuse(f"{path}.over must be a list, or a template of one such as {{{{x.output}}}}")

    def branch(self, data: Any, path: str, depth: int, *, last: bool) -> Branch:
        if not isinstance(data, dict):
            _refuse(f"{path} must be a map, got {kind_of(data)}")
        for key in data:
            if key not in ("when", "steps"):
                _refuse(f"{path}.{key} is not known{near_miss(key, ('when', 'steps'))}")
        if data.get("when") is None and not last:
            _refuse(f"{path}.when is missing: only the last branch may have none")
        if data.get("when") is not None:
            check_condition(data["when"], f"{path}.when", self.handlers)
        steps = data.get("steps")
        return Branch(data.get("when"), self.list(steps, f"{path}.steps", depth))

    def list(self, data: Any, path: str, depth: int) -> list[Step]:
        if not isinstance(data, list):
            _refuse(f"{path} must be a list, got {kind_of(data)}")
        return [self.step(item, f"{path}[{i}]", depth) for i, item in enumerate(data, 1)]

    def step(self, data: Any, path: str, depth: int) -> Step:
        if isinstance(data, dict) and data.get("agent") == []:
            data = data | {"agent": {}}  # some languages have one empty table for both
        spec: StepSpec = self.fit(_STEP, data, path)
        if spec.model is not None:
            # A pool stays a handle: by its number a recording knows it.
            self.fit(_MODEL, spec.model, f"{path}.model")
        self.check_name(spec.id, f"{path}.id")
        here = f"the step {spec.id}"
        if spec.id in self.steps:
            _refuse(f"{path}: there are two steps {spec.id}")
        if spec.id in self.variables:
            _refuse(f"{path}: {spec.id} is a variable already")
        if len(self.steps) == MAX_STEPS:
            _refuse(f"{path}: a workflow has at most {MAX_STEPS} steps")
        step = self.steps[spec.id] = Step(spec, "", path)
        step.body = self.body(spec, here, depth + 1)
        kinds = [kind for kind in KINDS if getattr(spec, kind) is not None]
        if len(kinds) + (step.body is not None) != 1:
            got = " and ".join([*kinds, *(["steps"] if step.body else [])]) or "none of them"
            _refuse(f"{here} must have one of {', '.join(KINDS)} or steps, got {got}")
        step.kind = kinds[0] if kinds else step.body.type  # type: ignore[union-attr]
        self.check_step(step, here)
        return step

    def check_step(self, step: Step, here: str) -> None:
        spec = step.spec
        for name, kinds in ONLY.items():
            if getattr(spec, name) is not None and step.kind not in kinds:
                _refuse(f"{here}: {name} is for {' and '.join(kinds)}, not for {step.kind}")
        _bound(spec.retries, 0, MAX_RETRIES, f"{here}: retries")
        for name in ("timeout", "retry_delay", "wait"):
            value = getattr(spec, name)
            if value is not None and not 0 <= value <= 1e9:
                _refuse(f"{here}: {name} must be seconds from 0, got {value:g}")
        if told := unfit(spec):
            _refuse(f"{here}: {told}")
        check_policy(spec.on_error, f"{here}: on_error")
        if spec.when is not None:
            check_condition(spec.when, f"{here}: when", self.handlers)
        if spec.schema is not None:
            check_schema(spec.schema, f"{here}: schema", here)
        self.check_call(spec, here)
        for name in (*(spec.set or {}), *filter(None, [spec.save_as])):
            if name not in self.variables:
                close = near_miss(name, self.variables)
                _refuse(f"{here} sets {name}, which is no variable of the workflow{close}")

    def check_call(self, spec: StepSpec, here: str) -> None:
        agent = spec.agent
        if spec.call is not None:
            check_function(spec.call, here, self.handlers)
        if isinstance(agent, Handle) and agent.kind == "agent":
            self.keep(agent)
        elif agent is not None and not isinstance(agent, dict):
            _refuse(f"{here}: agent must be an agent, or options of one, got {kind_of(agent)}")
        elif agent is not None:
            self.check_agent(agent, f"{here}: agent")
        if agent is not None and not isinstance(spec.input, str):
            _refuse(f"{here}: input must be the task of the agent, a string")

    def check_agent(self, options: dict[str, Any], path: str) -> None:
        """Refuses what are no options of an agent, as far as templates do not hide it."""
        known = (*_AGENT, *_USERS)
        given: dict[str, Any] = {}
        for name, value in options.items():
            if name not in known:
                _refuse(f"{path}.{name} is not known{near_miss(name, known)}")
            if name in _AGENT and not any(paths_of(value)):
                given[name] = self.fit(_AGENT[name], value, f"{path}.{name}")
        try:
            output = AgentOptions(**given).output
        except ValueError as error:
            _refuse(f"{path}.{error}")
        if output is not None:
            check_schema(output, f"{path}.output", path)


def check_schema(schema: Any, called: str, here: str) -> None:
    """Refuses what is no schema, with the step it is in."""
    try:
        schemas.read(schema, called)
    except BadArgument as error:
        told = error.message
        _refuse(told if told.startswith(here) else f"{here}: {told}")


def check_policy(policy: Any, path: str) -> None:
    """Refuses what is no policy for errors."""
    if policy in (None, "fail", "skip", "continue"):
        return
    if isinstance(policy, dict) and policy.keys() == {"fallback"}:
        return
    close = near_miss(policy, ("fail", "skip", "continue")) if isinstance(policy, str) else ""
    _refuse(f'{path} must be "fail", "skip", "continue" or {{fallback = value}}{close}')


def check_function(call: Any, path: str, handlers: Mapping[str, Any]) -> None:
    """Refuses what is neither a function nor the name of one."""
    if isinstance(call, str) and call not in handlers:
        known = near_miss(call, handlers)
        _refuse(f"{path} calls {call[:80]}, which handlers does not have{known}")
    if not isinstance(call, str | FunctionRef):
        _refuse(f"{path}: call must be a function, or the name of one, got {kind_of(call)}")


def check_condition(condition: Any, path: str, handlers: Mapping[str, Any], depth: int = 0) -> None:
    """Refuses what is no condition."""
    if isinstance(condition, FunctionRef | bool):
        return
    if isinstance(condition, str):
        if templates.only_path(condition) is None:
            _refuse(f"{path} must be one template such as {{{{check.output}}}}, and nothing else")
        return
    if not isinstance(condition, dict) or depth > MAX_DEPTH:
        _refuse(f"{path} must be a template, a comparison or a function, got {kind_of(condition)}")
    if condition.keys() == {"call"}:
        check_function(condition["call"], path, handlers)
        return
    for word in ("all", "any", "none"):
        if condition.keys() == {word} and isinstance(condition[word], list):
            for i, part in enumerate(condition[word], 1):
                check_condition(part, f"{path}.{word}[{i}]", handlers, depth + 1)
            return
    others = [key for key in condition if key != "value"]
    if "value" not in condition or len(others) != 1 or others[0] not in COMPARISONS:
        known = ", ".join(COMPARISONS)
        close = near_miss(others[0], (*COMPARISONS, "all", "any", "none")) if others else ""
        _refuse(f"{path} must have value and one of {known}; or all, any or none{close}")


def _bound(value: int | None, least: int, most: int, path: str) -> None:
    if value is not None and not least <= value <= most:
        _refuse(f"{path} must be from {least} to {most}, got {value}")


def _refuse(what: str) -> NoReturn:
    raise BadArgument(what)
