"""This unit holds what is said of a tool beyond its name, description and schema.

    ToolOptions       what a script may say when it registers a tool
    builtin_facts     what is true of a built-in tool

Who picks tools reads it: scripts that search, models that are told, people who read the pages.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Literal

from ...errors import BadArgument
from ...policy import KINDS
from ...typespec import JsonSchema
from ..schemas.schema import check_cheap, validator

MAX_TEXT = 64 * 1024
"""Characters of all options of one tool."""

MAX_EXAMPLES = 1000
MAX_TIMEOUT = 3600.0
"""Seconds a tool may be given at most."""


@dataclass(frozen=True, slots=True)
class ToolExample:
    """One call of a tool, as an example.

    args: its arguments.
    result: what it gives.
    description: what it shows.
    """

    args: dict[str, Any]
    result: Any = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ToolOptions:
    """What is said of a tool beyond its name, description and schema.

    category: what it is for, in a word, such as "files".
    tags: words to find it by.
    version: its version.
    usage_instructions: when and how to use it, at more length than the description.
    examples: calls with what they give.
    constraints: what it cannot do, a sentence each.
    error_guidance: code of an error -> what to do about it.
    is_deterministic: whether the same arguments always give the same.
    is_destructive: whether it may change or delete what was there.
    requires_confirmation: whether a person must agree to each call.
    estimated_latency: "fast" for milliseconds, "medium" for seconds, "slow" for longer.
    output_schema: JSON Schema of what it gives, which is checked.
    timeout: seconds after which a call of it is given up.
    permissions: kinds of grants it uses, such as "net".
    deprecated: whether another tool should be used instead.
    experimental: whether it may change or go.
    """

    category: str | None = None
    tags: list[str] | None = None
    version: str | None = None
    usage_instructions: str | None = None
    examples: list[ToolExample] | None = None
    constraints: list[str] | None = None
    error_guidance: dict[str, str] | None = None
    is_deterministic: bool | None = None
    is_destructive: bool | None = None
    requires_confirmation: bool | None = None
    estimated_latency: Literal["fast", "medium", "slow"] | None = None
    output_schema: JsonSchema | None = None
    timeout: float | None = None
    permissions: list[str] | None = None
    deprecated: bool | None = None
    experimental: bool | None = None


NOTHING_SAID = ToolOptions()


def said(facts: ToolOptions) -> dict[str, Any]:
    """The options that were given, by name, as plain data."""
    told = {item.name: getattr(facts, item.name) for item in fields(facts)}
    if facts.examples is not None:
        told["examples"] = [
            {item.name: getattr(example, item.name) for item in fields(example)}
            for example in facts.examples
        ]
    return {name: value for name, value in told.items() if value is not None}


def check(name: str, facts: ToolOptions) -> int:
    """Refuses options that make no sense. Gives how many characters they are."""
    if facts.timeout is not None and not 0 < facts.timeout <= MAX_TIMEOUT:
        raise BadArgument(f"{name}: the timeout must be above 0 and at most {MAX_TIMEOUT:g} s")
    for kind in facts.permissions or ():
        if kind not in KINDS:
            raise BadArgument(f"{name}: {kind!r} is not a kind of grant: {', '.join(KINDS)}")
    if facts.output_schema is not None:
        check_cheap(facts.output_schema)
        validator(facts.output_schema)
    if len(facts.examples or ()) > MAX_EXAMPLES:
        raise BadArgument(f"{name}: there are more than {MAX_EXAMPLES} examples")
    size = len(json.dumps(said(facts), ensure_ascii=False, default=lambda _: ""))
    if size > MAX_TEXT:
        raise BadArgument(f"{name}: the options are longer than {MAX_TEXT} characters")
    return size


CATEGORIES = {
    "base64": "encoding",
    "calculator": "math",
    "csv": "data",
    "datetime": "time",
    "file": "files",
    "hash": "encoding",
    "http": "web",
    "json": "data",
    "process": "system",
    "sqlite": "data",
    "text": "text",
    "uuid": "encoding",
    "web": "web",
    "xml": "data",
    "yaml": "data",
}
"""First word of the name of a built-in tool -> its category."""

DESTRUCTIVE = frozenset(
    {"file_copy", "file_delete", "file_move", "file_write", "http_request", "process_exec"}
)
CHANGING = frozenset({"uuid", "datetime_now"})
"""Those of a category of pure functions that give something else each time."""

PURE = frozenset({"data", "encoding", "math", "text", "time"})


def builtin_facts(tool: str, kind: str) -> ToolOptions:
    """What is true of a built-in tool. `kind` is the kind of grant it needs, or ""."""
    category = CATEGORIES.get(tool.partition("_")[0])
    pure = category in PURE and not kind and tool not in CHANGING
    return ToolOptions(
        category=category,
        is_deterministic=pure if category is not None else None,
        is_destructive=True if tool in DESTRUCTIVE else None,
        permissions=[kind] if kind else None,
    )
