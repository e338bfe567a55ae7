"""Which steps of a workflow may name which: the order of a graph, and the names in templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, NoReturn

from ...errors import BadArgument, near_miss
from ..formats import templates
from .records import Block, Body, Step

FACTS = ("output", "status", "error", "attempts")
"""What a template may ask of a step."""


def order(body: Body, path: str) -> None:
    """Works out what the steps of a graph need, from `needs` and from their templates."""
    own = {step.id: step for step in body.steps}
    inside = {step.id: {below.id for below in _below(step)} for step in body.steps}
    homes = {name: step for step, names in inside.items() for name in names}
    for step in body.steps:
        for name in step.spec.needs or ():
            if name not in own:
                raise BadArgument(
                    f"the step {step.id} needs {name[:80]}, and {path} has no such step"
                    f"{near_miss(name, own)}"
                )
        used = {homes.get(name, name) for name in names_in(step)}
        wanted = dict.fromkeys([*(step.spec.needs or ()), *(n for n in own if n in used)])
        wanted.pop(step.id, None) if step.id not in (step.spec.needs or ()) else None
        step.needs = tuple(wanted)
    try:
        TopologicalSorter({step.id: step.needs for step in body.steps}).prepare()
    except CycleError as error:
        # It tells the way backwards: each is needed by the next.
        way = " needs ".join(reversed(error.args[1]))
        raise BadArgument(f"{path} goes round in a circle: {way}") from None


def _below(step: Step) -> Iterator[Step]:
    """A step and those inside it."""
    yield step
    if step.body is not None:
        for child in step.body.children():
            yield from _below(child)


def names_in(step: Step) -> Iterator[str]:
    """The first name of every template of a step and of those inside it."""
    for below in _below(step):
        for _, value in texts_of(below.spec):
            yield from (path.partition(".")[0] for path in paths_of(value))
        if below.body is not None:
            for branch in below.body.branches:
                yield from (path.partition(".")[0] for path in paths_of(branch.when))


def texts_of(spec: Block) -> Iterator[tuple[str, Any]]:
    """The fields of a step or block that may hold templates."""
    for name in ("prompt", "system", "agent", "tool", "args", "spell", "params", "input",
                 "approval", "set", "when", "over", "until", "on_error"):  # fmt: skip
        value = getattr(spec, name, None)
        if value is not None:
            yield name, value


def paths_of(value: Any) -> Iterator[str]:
    """The templates in a value, as paths."""
    if isinstance(value, str):
        yield from templates.paths(value)
    elif isinstance(value, list):
        for item in value:
            yield from paths_of(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from paths_of(item)


class Names:
    """Checks that templates name what is there when they are used."""

    def __init__(self, steps: Mapping[str, Step], variables: Mapping[str, Any]) -> None:
        self.steps = steps
        self.variables = variables

    def check(
        self, body: Body, before: frozenset[str], words: frozenset[str] = frozenset()
    ) -> None:
        """Checks a block, where the steps `before` are done and `words` mean something."""
        words |= {"input"}
        if body.type == "loop":
            self.one("a loop", "over", body.spec.over, before, words)
            words |= {"iteration"} | ({"item", "index"} if body.spec.over is not None else set())
            before |= {below.id for step in body.steps for below in _below(step)}
            self.one("a loop", "until", body.spec.until, before, words)
        if body.type == "map_reduce":
            self.one("a map", "over", body.spec.over, before, words)
            assert body.map is not None
            self.step(body.map, before, words | {"item", "index"})
            if body.reduce is not None:
                self.step(body.reduce, before | {body.map.id}, words)
            return
        for branch in body.branches:
            self.one("a branch", "when", branch.when, before, words)
            self.sequence(branch.steps, before, words)
        if body.type == "graph":
            before |= {below.id for step in body.steps for below in _below(step)}
        if body.type in ("sequential", "loop"):
            self.sequence(body.steps, before, words)
        else:
            for step in body.steps:
                self.step(step, before, words)

    def sequence(self, steps: list[Step], before: frozenset[str], words: frozenset[str]) -> None:
        for step in steps:
            self.step(step, before, words)
            before |= {below.id for below in _below(step)}

    def step(self, step: Step, before: frozenset[str], words: frozenset[str]) -> None:
        for name, value in texts_of(step.spec):
            if step.body is None or name in ("when", "on_error"):
                self.one(f"the step {step.id}", name, value, before, words)
        if step.body is not None:
            self.check(step.body, before, words)

    def one(
        self, who: str, name: str, value: Any, before: frozenset[str], words: frozenset[str]
    ) -> None:
        for path in paths_of(value):
            head, _, rest = path.partition(".")
            told = f"{who}: {name} names {{{{{path[:80]}}}}}"
            if head in before:
                fact = rest.partition(".")[0]
                if fact not in FACTS:
                    facts = ", ".join(FACTS)
                    _refuse(f"{told}; a step has {facts}{near_miss(fact, FACTS)}")
            elif head in self.steps:
                _refuse(f"{told}, which is not done before it")
            elif head not in self.variables and head not in words:
                known = [*before, *self.variables, *words]
                _refuse(f"{told}, and there is no step or variable {head}{near_miss(head, known)}")


def _refuse(what: str) -> NoReturn:
    raise BadArgument(what)
