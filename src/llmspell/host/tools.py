"""Tools: named functions with a JSON Schema, which scripts and models may run.

Built-in tools are capabilities seen from a model's side; a script registers its own. Running
one goes through the gate (`tools.execute`), whoever asked for it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import BadArgument, NotFound, near_miss

if TYPE_CHECKING:
    from ..values import FunctionRef
    from .context import Context

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What model providers accept as the name of a tool."""


class Tool(NamedTuple):
    """A tool: what a model is told of it, and what runs it. `origin` is "builtin" or "script"."""

    name: str
    description: str
    schema: dict[str, Any]
    run: Callable[[Context, dict[str, Any]], Awaitable[Any]]
    origin: str


class Toolbox:
    """The tools of one run."""

    def __init__(self, builtins: Callable[[], Mapping[str, Tool]]) -> None:
        self._all_builtins = builtins
        self._own: dict[str, Tool] = {}

    @property
    def _builtins(self) -> Mapping[str, Tool]:
        return self._all_builtins()

    def register(
        self, name: str, description: str, schema: dict[str, Any], handler: FunctionRef
    ) -> Tool:
        """Adds a tool of the script. Registering a name again replaces it."""
        if NAME.fullmatch(name) is None:
            raise BadArgument(
                f"{name!r} cannot name a tool: use up to 64 letters, digits, _ or -, "
                "starting with a letter"
            )
        if name in self._builtins:
            raise BadArgument(f"{name} is a built-in tool: choose another name")
        if schema.get("type", "object") != "object":
            raise BadArgument(f"{name}: the schema must be of type object")
        schema = {"type": "object", **schema}
        validator(schema)

        async def run(ctx: Context, args: dict[str, Any]) -> Any:
            return await handler(args)

        self._own[name] = Tool(name, description, schema, run, "script")
        return self._own[name]

    def get(self, name: str) -> Tool:
        """The tool called `name`. Raises NotFound with the nearest name there is."""
        tool = self._own.get(name) or self._builtins.get(name)
        if tool is None:
            raise NotFound(f"there is no tool {name}{near_miss(name, self.names())}")
        return tool

    def names(self) -> list[str]:
        """Every name, sorted."""
        return sorted([*self._builtins, *self._own])

    async def execute(self, ctx: Context, name: str, args: dict[str, Any]) -> Any:
        """Checks the arguments against the schema and runs the tool."""
        tool = self.get(name)
        complaint = validator(tool.schema).complaint(args)
        if complaint:
            raise BadArgument(f"{name}: {complaint}")
        return await tool.run(ctx, args)


class Validator:
    """A compiled JSON Schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        import jsonschema_rs

        try:
            # offline: a "$ref" in a schema must not read files or the network.
            self._validator = jsonschema_rs.validator_for(schema, offline=True)
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            reason = str(error).split("\n")[0]
            raise BadArgument(f"the schema is not a valid JSON Schema: {reason}") from None

    def complaint(self, value: Any) -> str:
        """What is wrong with `value`, each fault with its path, or ""."""
        faults = []
        for error in self._validator.iter_errors(value):
            path = "".join(
                f"[{part + 1}]" if isinstance(part, int) else f".{part}"
                for part in error.instance_path
            ).removeprefix(".")
            faults.append(f"{path}: {error.message}" if path else error.message)
        return "; ".join(faults)


def validator(schema: dict[str, Any]) -> Validator:
    """The validator of a schema; compiled once for equal schemas. Raises BadArgument."""
    import json

    return _validator(json.dumps(schema, sort_keys=True))


@lru_cache(maxsize=256)
def _validator(text: str) -> Validator:
    import json

    return Validator(json.loads(text))


def calculate(expression: str) -> int | float | bool | str:
    """Works out an arithmetic expression. Raises BadArgument for anything else."""
    import math

    import simpleeval

    names = ("sqrt", "exp", "log", "log2", "log10", "sin", "cos", "tan", "floor", "ceil", "fabs")
    functions: dict[str, Any] = {name: getattr(math, name) for name in names}
    functions |= {"abs": abs, "min": min, "max": max, "round": round}
    evaluator = simpleeval.SimpleEval(
        functions=functions, names={"pi": math.pi, "e": math.e, "tau": math.tau}
    )
    try:
        value = evaluator.eval(expression)
    except ZeroDivisionError:
        raise BadArgument(f"cannot work out {expression!r}: division by zero") from None
    except Exception as error:  # noqa: BLE001 - whatever it is, the expression is wrong
        reason = str(error).split("\n")[0]
        raise BadArgument(f"cannot work out {expression!r}: {reason}") from None
    if not isinstance(value, int | float | bool | str):
        raise BadArgument(f"cannot work out {expression!r}: it is not a number")
    return value
