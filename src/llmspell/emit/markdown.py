"""The reference page of the script API."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from ..capability import Capability
from ..typespec import AnyOf, HandleOf, ListOf, MapOf, Nothing, Record, Type
from . import walk

INTRODUCTION = """# The script API

Written by `make docs` from the declarations; a test checks that it is fresh.

Functions have the same name in every language, in the spelling of the language: `fs.read_bytes`
in Lua is `fs.readBytes` in JavaScript. A parameter in [brackets] may be left out. An error of a
function can be caught in the script and has a `code` and a `message`.
"""


def page() -> str:
    """The whole page."""
    out = [INTRODUCTION]
    for namespace, items in walk.namespaces().items():
        out.append(f"## {namespace}\n")
        for item in items:
            out += function(item)
    out.append("## Handles\n")
    for kind in walk.handles():
        names = ", ".join(f"`{item.verb}`" for item in walk.methods(kind.kind))
        out.append(f"### {kind.kind}\n\n{kind.doc}\n\nMethods: {names}.\n")
    out.append("## Records\n")
    for record in walk.records():
        out.append(f"### {record.name}\n")
        usual = defaults(record.cls)
        for field in record.fields:
            name = field.name if field.required else f"[{field.name}]"
            doc = field.doc
            if field.name in usual and "default" not in doc:
                doc = f"{doc.removesuffix('.')}; {usual[field.name]} by default."
            out.append(f"- `{name}` ({describe(field.type)}): {doc}")
        out.append("")
    return "\n".join(out).rstrip() + "\n"


def defaults(cls: type) -> dict[str, str]:
    """The fields that are something where they are left out, and what, as JSON writes it."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return {
        field.name: _shown(field.default)
        for field in fields
        if isinstance(field.default, str | int | float) and field.default
    }


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)


def function(item: Capability) -> list[str]:
    """One function."""
    out = [f"### {heading(item)}\n", item.doc + "\n"]
    for param in item.params:
        out.append(f"- `{param.name}` ({describe(param.type)}): {param.doc}")
    if not isinstance(item.returns, Nothing):
        out.append(f"- gives ({describe(item.returns)}): {item.returns_doc}")
    if item.params or not isinstance(item.returns, Nothing):
        out.append("")
    facts = []
    if item.needs:
        facts.append(f"Needs a grant `{item.needs.partition(':')[0]}`.")
    if item.alias:
        facts.append(f"Also the global `{item.alias}`.")
    if item.method_of:
        facts.append(f"Also a method of {item.method_of}.")
    if item.tool:
        facts.append(f"A model may use it as the tool `{item.tool}`.")
    facts.append(f"Since {item.since}.")
    return [*out, " ".join(facts) + "\n"]


def heading(item: Capability) -> str:
    """A function with its parameters."""
    params = ", ".join(p.name if p.required else f"[{p.name}]" for p in item.params)
    return f"{item.name}({params})"


def link(item: Capability) -> str:
    """A link from a page beside this one to a function."""
    anchor = re.sub(r"[^\w\- ]", "", heading(item).lower()).replace(" ", "-")
    return f"[`{item.name}`](reference.md#{anchor})"


def describe(type_: Type) -> str:
    """A type in words, with a link to a record."""
    match type_:
        case Record():
            return f"[{type_.name}](#{type_.name.lower()})"
        case HandleOf():
            return f"[{type_.kind}](#{type_.kind})"
        case ListOf():
            return f"a list of {describe(type_.item)}"
        case MapOf() if type(type_) is MapOf:
            return f"a map to {describe(type_.item)}"
        case AnyOf():
            real = [describe(c) for c in type_.choices if not isinstance(c, Nothing)]
            return " or ".join(real) + (", or nothing" if type_.optional else "")
    return type_.describe.replace("|", "\\|")
