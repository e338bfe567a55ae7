"""Tools: named functions with a JSON Schema, which scripts and models may run.

Built-in tools are capabilities seen from a model's side; a script registers its own. Running
one goes through the gate (`tools.execute`), whoever asked for it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import BadArgument, NotFound, near_miss
from ..values import kind_of

if TYPE_CHECKING:
    from ..values import FunctionRef
    from .context import Context

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What model providers accept as the name of a tool."""


MAX_TOOLS = 256
"""Tools of one script: as many as models take, and their texts are kept until the run ends."""

MAX_TEXT = 64 * 1024
"""Characters of a schema, and of a description."""

MAX_COST = 10_000_000
"""Parts of a schema times parts of the arguments: about half a second of checking."""

MAX_LISTED = 20_000
"""The same, up to which every fault is looked for: there may be as many, each with the argument."""

SHOWN_FAULTS = 10

COSTLY = frozenset(
    {"$ref", "$dynamicRef", "$recursiveRef", "unevaluatedItems", "unevaluatedProperties"}
)
"""Keywords under which checking can take time that doubles with each level."""

NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords of maps whose keys are names, not keywords."""


class Tool(NamedTuple):
    """A tool: what a model is told of it, and what runs it. `origin` is "builtin",
    "host" or "script".
    """

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
        if name not in self._own and len(self._own) == MAX_TOOLS:
            raise BadArgument(f"{name}: a script has at most {MAX_TOOLS} tools")
        if len(description) > MAX_TEXT:
            raise BadArgument(f"{name}: the description is longer than {MAX_TEXT} characters")
        if schema.get("type", "object") != "object":
            raise BadArgument(f"{name}: the schema must be of type object")
        schema = {"type": "object", **schema}
        check_cheap(schema)
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

        self.parts = parts(schema)
        try:
            # offline: a "$ref" in a schema must not read files or the network.
            self._validator = jsonschema_rs.validator_for(schema, offline=True)
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            reason = str(error).split("\n")[0]
            raise BadArgument(f"the schema is not a valid JSON Schema: {reason}") from None

    def complaint(self, value: Any) -> str:
        """What is wrong with `value`, the first faults each with its path, or ""."""
        cost = self.parts * parts(value)
        if cost > MAX_COST:
            return "the arguments are too many to check against the schema"
        try:
            if self._validator.is_valid(value):
                return ""
        except ValueError:
            return "the arguments hold bytes or functions, which JSON has no word for"
        # All faults are made before the first is given, so of many only one is asked for.
        faults = self._validator.iter_errors(value) if cost <= MAX_LISTED else self._first(value)
        return "; ".join(_fault(error) for error in islice(faults, SHOWN_FAULTS))

    def _first(self, value: Any) -> Iterator[Any]:
        import jsonschema_rs

        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            yield error


def _fault(error: Any) -> str:
    path = "".join(
        f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in error.instance_path
    ).removeprefix(".")
    text: str = error.message
    if len(text) > 200:  # what is wrong stands at the end, behind the value
        text = f"{text[:130]}...{text[-67:]}"
    return f"{path}: {text}" if path else text


def parts(value: Any) -> int:
    """How much there is of a value: its parts, and long text as so many more."""
    if isinstance(value, dict):
        return 1 + sum(1 + len(key) // 100 + parts(item) for key, item in value.items())
    if isinstance(value, list):
        return 1 + sum(map(parts, value))
    return 1 + len(value) // 100 if isinstance(value, str | bytes) else 1


def check_cheap(schema: dict[str, Any]) -> None:
    """Refuses a schema of a script that takes much memory, or time out of proportion."""
    import json

    if len(json.dumps(schema, ensure_ascii=False, default=_refuse_foreign)) > MAX_TEXT:
        raise BadArgument(f"the schema is longer than {MAX_TEXT} characters")
    _refuse_costly(schema, named=False)


def _refuse_foreign(value: Any) -> Any:
    raise BadArgument(f"the schema holds {kind_of(value)}, which JSON has no word for")


def _refuse_costly(schema: Any, *, named: bool) -> None:
    if isinstance(schema, list):
        for item in schema:
            _refuse_costly(item, named=False)
    if isinstance(schema, dict):
        for key, item in schema.items():
            if not named and key in COSTLY:
                raise BadArgument(f"the schema has {key}, which schemas of scripts cannot have")
            _refuse_costly(item, named=not named and key in NAMED)


def validator(schema: dict[str, Any]) -> Validator:
    """The validator of a schema; compiled once for equal schemas. Raises BadArgument."""
    import json

    return _validator(json.dumps(schema, sort_keys=True))


@lru_cache(maxsize=256)
def _validator(text: str) -> Validator:
    import json

    return Validator(json.loads(text))
