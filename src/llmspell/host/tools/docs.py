"""What tools are, written for readers: Markdown for people, OpenAPI, MCP and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal

from ...errors import BadArgument
from .facts import said
from .toolbox import Tool

Format = Literal["markdown", "openapi", "mcp", "json"]

MAX_TEXT = 4 * 1024 * 1024
"""Characters of one document."""


def document(tools: Iterable[Tool], format: Format) -> str:
    """The document about tools, in a format."""
    if format == "markdown":
        return _bounded("\n".join(_page(tool) for tool in tools))
    chosen = {"openapi": _openapi, "mcp": _mcp, "json": _json}[format]
    return _bounded(json.dumps(chosen(list(tools)), ensure_ascii=False, indent=2))


def record(tool: Tool) -> dict[str, Any]:
    """A tool as plain data."""
    return {
        "name": tool.name,
        "description": tool.description,
        "schema": tool.schema,
        "origin": tool.origin,
        **said(tool.facts),
    }


def _bounded(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise BadArgument("the document is too long: ask for fewer tools")
    return text


def _json(tools: list[Tool]) -> Any:
    return {"tools": [record(tool) for tool in tools]}


def _mcp(tools: list[Tool]) -> Any:
    """As an MCP server answers `tools/list`."""
    return {"tools": [_mcp_tool(tool) for tool in tools]}


def _mcp_tool(tool: Tool) -> dict[str, Any]:
    facts = tool.facts
    told: dict[str, Any] = {"name": tool.name, "description": tool.description}
    told["inputSchema"] = tool.schema
    if facts.output_schema is not None and facts.output_schema.get("type") == "object":
        told["outputSchema"] = facts.output_schema  # MCP knows no other results with a schema
    hints = {
        "destructiveHint": facts.is_destructive,
        "idempotentHint": facts.is_deterministic,
        "openWorldHint": "net" in facts.permissions if facts.permissions else None,
    }
    hints = {name: hint for name, hint in hints.items() if hint is not None}
    return told | ({"annotations": hints} if hints else {})


def _openapi(tools: list[Tool]) -> Any:
    """A POST operation for each."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tools", "version": "1"},
        "paths": {f"/tools/{tool.name}": {"post": _operation(tool)} for tool in tools},
    }


def _operation(tool: Tool) -> dict[str, Any]:
    facts = tool.facts
    operation: dict[str, Any] = {
        "operationId": tool.name,
        "summary": tool.description.partition("\n")[0],
        "description": "\n\n".join(filter(None, (tool.description, facts.usage_instructions))),
        "requestBody": {
            "required": bool(tool.schema.get("required")),
            "content": {"application/json": {"schema": tool.schema}},
        },
        "responses": {
            "200": {
                "description": "What the tool gives.",
                "content": {"application/json": {"schema": facts.output_schema or {}}},
            }
        },
    }
    tags = [tag for tag in (facts.category, *(facts.tags or ())) if tag]
    operation |= {"tags": tags} if tags else {}
    return operation | ({"deprecated": True} if facts.deprecated else {})


def _page(tool: Tool) -> str:
    facts = tool.facts
    lines = [f"## {tool.name}", "", tool.description, ""]
    notes = [
        (facts.deprecated, "Deprecated."),
        (facts.experimental, "Experimental."),
        (facts.is_destructive, "May change or delete what was there."),
        (facts.requires_confirmation, "A person must agree to each call."),
    ]
    if told := " ".join(text for true, text in notes if true):
        lines += [told, ""]
    if facts.usage_instructions:
        lines += [facts.usage_instructions, ""]
    properties = tool.schema.get("properties") or {}
    if properties:
        required = tool.schema.get("required") or []
        lines += ["| argument | type | required | what it is |", "|---|---|---|---|"]
        for name, schema in properties.items():
            lines.append(_row(name, schema, name in required))
        lines.append("")
    lines += [f"- {_line(text)}" for text in facts.constraints or ()]
    for example in facts.examples or ():
        call = json.dumps(example.args, ensure_ascii=False, default=str)
        gives = json.dumps(example.result, ensure_ascii=False, default=str)
        about = filter(None, [_line(example.description or "")])
        lines += ["", *about, f"    {tool.name} {call} -> {gives}"]
    for code, text in (facts.error_guidance or {}).items():
        lines.append(f"- On `{_line(code)}`: {_line(text)}")
    return "\n".join(lines).rstrip() + "\n"


def _row(name: str, schema: Any, required: bool) -> str:
    schema = schema if isinstance(schema, dict) else {}
    kinds = schema.get("type", "any")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if isinstance(choices := schema.get("enum"), list):
        kinds = [json.dumps(choice, ensure_ascii=False, default=str) for choice in choices]
    texts = (name, " or ".join(map(str, kinds)), str(schema.get("description", "")))
    cell, kind, text = (_line(text).replace("|", "\\|") for text in texts)
    return f"| {cell} | {kind} | {'yes' if required else 'no'} | {text} |"


def _line(text: str) -> str:
    """Text that cannot leave its row or item."""
    return " ".join(text.splitlines())
