"""Where in a line an error happened: Lua knows the line, the tree knows what is in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from . import ast
from .errors import TengoSyntaxError
from .parser import parse

OPERATION = re.compile(r"invalid operation: \S+ (\S+) \S+$")
ALONE = re.compile(r"invalid operation: [-^]\w\S*$")


def columns(
    message: str,
    frames: Iterable[tuple[str, int]],
    source: Callable[[str], str | None],
    result: str = "",
) -> str:
    """The message with the stack trace, as Tengo prints it. `frames` are file and line.

    `result` is the variable that the program has without defining it.
    """
    lines = [f"Runtime Error: {message}"]
    places = list(frames)
    if message.startswith("wrong number of arguments: want"):
        del places[:1]  # The function that complains has not begun.
    for i, (name, line) in enumerate(places):
        text = source(name)
        column = 1 if text is None else _column(text, name, result, line, message if i == 0 else "")
        lines.append(f"\n\tat {name}:{line}:{column}")
    return "".join(lines)


def _column(source: str, name: str, result: str, line: int, message: str) -> int:
    try:
        nodes = [node for node in _walk(parse(source, name, result).body) if node.line == line]
    except (TengoSyntaxError, RecursionError):
        return 1
    found = [node for node in nodes if _may_fail(node, message)] or nodes
    if not found:
        return 1
    place = min(_told(node, message) for node in found) if message else found[0].place
    return len(source[source.rfind("\n", 0, place) + 1 : place].encode()) + 1


def _told(node: Any, message: str) -> int:
    """The place Tengo tells: an instruction that stands alone is told by the one before it."""
    of = type(node)
    if of is ast.Index:
        return _last(node.key)
    if of is ast.Slice and node.high is not None:
        return _last(node.high)
    if of is ast.ForIn:
        return _last(node.subject)
    if of is ast.Unary and ALONE.match(message):
        return _last(node.operand)
    place: int = node.place
    return place


def _last(node: Any) -> int:
    """Where the last thing stands that working out an expression does."""
    of = type(node)
    if of is ast.Ternary:
        return _last(node.no)
    if of is ast.Unary and node.op == "+":
        return _last(node.operand)
    if of is ast.Binary and node.op in ("&&", "||"):
        return _last(node.right)
    place: int = node.place
    return place


def _may_fail(node: Any, message: str) -> bool:
    of = type(node)
    operation = OPERATION.match(message)
    if operation:
        return of in (ast.Binary, ast.Assign) and node.op == operation[1]
    if ALONE.match(message):
        return of is ast.Unary and node.op == message[19]
    if message == "invalid index type" or message.startswith(
        ("not index-assignable", "index out of bounds")
    ):
        return of is ast.Assign
    if message.startswith(("not indexable", "invalid index", "invalid slice")):
        return of in (ast.Index, ast.Slice)
    if message.startswith("not iterable"):
        return of is ast.ForIn
    return of is ast.Call


def _walk(node: Any) -> Iterable[Any]:
    """Every node below, in order of the source."""
    stack = [node]
    while stack:
        node = stack.pop()
        if isinstance(node, (list, tuple)):
            stack.extend(reversed(node))
        elif isinstance(node, ast.Node):
            yield node
            stack.extend(
                getattr(node, field)
                for field in reversed(type(node).__slots__)
                if field not in ("outer", "params")
            )
