"""The tree of a Tengo program: what the parser makes and the compiler reads.

Names are already resolved: an `Ident` holds its `Symbol`. `line` is where a node starts and
`place` is its offset in the source.
"""

from __future__ import annotations

from typing import Any


class Symbol:
    """One variable. `values` are the nodes assigned to it; None among them is any value.

    `grows` is set when the program says `x = append(x, ...)`, which then works in place; `own`
    when all it is given are arrays made for it; `free` when, besides, none of its items is ever
    assigned to; `escapes` when its value is given away before the
    function it belongs to, `function`, is done. `captured` tells that a function within uses it,
    `moved` that one assigns to it.
    `natural` tells that it is an int and never below zero.
    `uses` counts how often the program names it, `calls` are the calls of it.
    `lua` is its name in the compiled form.
    """

    __slots__ = (
        "calls",
        "captured",
        "escapes",
        "free",
        "function",
        "grows",
        "indexed",
        "kind",
        "lua",
        "moved",
        "name",
        "natural",
        "own",
        "uses",
        "values",
    )

    def __init__(self, name: str, function: Func | None) -> None:
        self.name, self.function = name, function
        self.values: list[Any] = []
        self.calls: list[Any] = []
        self.uses = 0
        self.kind = "?"
        self.grows = self.own = self.free = self.indexed = False
        self.escapes = self.captured = self.moved = self.natural = False
        self.lua = ""


class Node:
    """A part of the program."""

    __slots__ = ("line", "place")

    line: int
    place: int


def _node(name: str, *fields: str) -> Any:
    """A class of node with these fields, given in this order after place and line."""
    signature = ", ".join(("self", "place", "line", *fields))
    body = "; ".join(f"self.{f} = {f}" for f in ("place", "line", *fields))
    space: dict[str, Any] = {"__slots__": fields, "__module__": __name__}
    exec(f"def __init__({signature}): {body}", space)
    del space["__builtins__"]
    return type(name, (Node,), space)


Ident = _node("Ident", "symbol")
Builtin = _node("Builtin", "name")
Free = _node("Free", "name")
Literal = _node("Literal", "kind", "value")
Array = _node("Array", "items")
Map = _node("Map", "items")
Unary = _node("Unary", "op", "operand")
Binary = _node("Binary", "op", "left", "right")
Ternary = _node("Ternary", "test", "yes", "no")
Index = _node("Index", "of", "key")
Slice = _node("Slice", "of", "low", "high")
Call = _node("Call", "callee", "args", "spread")
Import = _node("Import", "name")
Made = _node("Made", "what", "operand")
"""error(x) and immutable(x)."""

Define = _node("Define", "symbol", "value", "recursive")
Assign = _node("Assign", "target", "op", "value")
Expression = _node("Expression", "value")
If = _node("If", "init", "arms", "otherwise")
"""Each arm is an init or None, a test and a block."""
For = _node("For", "init", "test", "post", "body", "continues")
ForIn = _node("ForIn", "key", "value", "subject", "body", "continues")
Block = _node("Block", "statements")
Return = _node("Return", "value")
Export = _node("Export", "value")
Branch = _node("Branch", "word")


class Func(Node):
    """A function literal. `result` stands for what it returns, as if it was a variable.

    `direct` tells that all its calls are known and give it as many arguments as it takes.
    """

    __slots__ = ("body", "direct", "end", "outer", "params", "result", "variadic")

    def __init__(self, place: int, line: int, outer: Func | None) -> None:
        self.place, self.line, self.outer = place, line, outer
        self.params: list[Symbol] = []
        self.variadic = self.direct = False
        self.result = Symbol("", self)
        self.body: Any = None
        self.end = line


class Program:
    """A whole source: its body, the names it does not define and what it imports, with places.

    `turned` are the lines that ask for more (`a > b`) and nowhere for less.
    """

    __slots__ = ("body", "free", "imports", "main", "result", "symbols", "turned")

    def __init__(self) -> None:
        self.body: list[Any] = []
        self.free: dict[str, int] = {}
        self.imports: dict[str, int] = {}
        self.main = Func(0, 1, None)
        self.result: Symbol | None = None
        self.symbols: list[Symbol] = []
        self.turned: list[int] = []
