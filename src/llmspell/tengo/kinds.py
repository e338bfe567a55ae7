"""What kind of value an expression surely has, so that it needs no check at run time.

Kinds are "i" int, "f" float, "s" string, "b" bool, "c" char, "a" array, "o" something else that is
surely none of these and not false; "" is any value, and "?" one that nothing has been assigned to
yet.
"""

from __future__ import annotations

from typing import Any

from .ast import (
    Array,
    Binary,
    Builtin,
    Call,
    Func,
    Ident,
    Literal,
    Made,
    Map,
    Symbol,
    Ternary,
    Unary,
)

COMPARING = frozenset(("==", "!=", "<", "<=", ">", ">="))
INTEGER = frozenset(("&", "|", "^", "<<", ">>", "&^", "%"))
RESULTS = {"len": "i", "type_name": "s", "format": "s", "append": "a", "range": "a", "splice": "a"}


def join(a: str, b: str) -> str:
    """What is surely true of a value that may be the one or the other."""
    if a == b or b == "?":
        return a
    return b if a == "?" else ""


def binary_kind(op: str, left: str, right: str) -> str:
    """The kind of `left op right`, if that does not fail."""
    if op in COMPARING:
        return "b"
    if op == "&&" or op == "||":
        return join(left, right)
    if left == "?" or right == "?":
        return "?"
    if op == "+" and left == "s":
        return "s"
    if left == "i" and right == "i":
        return "i"
    if op not in INTEGER and left in ("i", "f") and right in ("i", "f"):
        return "f"
    return ""


def call_kind(node: Any) -> str:
    """The kind of what a call gives."""
    if type(node.callee) is not Builtin:
        return ""
    name = node.callee.name
    if name.startswith("is_"):
        return "b"
    return RESULTS.get(name, "")


def kind_of(node: Any) -> str:
    """The kind of an expression, by what is known of the variables in it so far."""
    if node is None:
        return ""
    of = type(node)
    if of is Literal:
        return "o" if node.kind == "u" else str(node.kind)
    if of is Ident:
        return str(node.symbol.kind)
    if of is Binary:
        spine = []
        while type(node) is Binary:
            spine.append(node)
            node = node.left
        kind = kind_of(node)
        for part in reversed(spine):
            right = "" if part.op in COMPARING else kind_of(part.right)
            kind = binary_kind(part.op, kind, right)
        return kind
    if of is Unary:
        if node.op == "!":
            return "b"
        kind = kind_of(node.operand)
        return kind if kind in ("i", "?") or (kind == "f" and node.op != "^") else ""
    if of is Ternary:
        return join(kind_of(node.yes), kind_of(node.no))
    if of is Call:
        return call_kind(node)
    if of is Array:
        return "a"
    if of in (Map, Func) or (of is Made and node.what == "error"):
        return "o"
    return ""


def infer(symbols: list[Symbol]) -> None:
    """Works out the kind of each variable from all that is assigned to it."""
    open_ones = []
    for symbol in symbols:
        if None in symbol.values or not symbol.values:
            symbol.kind = ""
        else:
            open_ones.append(symbol)
    changed = True
    while changed:
        changed = False
        for symbol in open_ones:
            before = kind = symbol.kind
            if before == "":
                continue
            for value in symbol.values:
                kind = join(kind, kind_of(value))
                if kind == "":
                    break
            if kind != before:
                symbol.kind, changed = kind, True
    for symbol in open_ones:
        if symbol.kind == "?":
            symbol.kind = ""
