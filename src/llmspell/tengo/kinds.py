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
MAX_STEP = 1000
MAX_ROUNDS = 20
"""How often the program is gone through for kinds. Without a result by then, none is known."""

PLAIN = frozenset((Array, Func, Literal, Map))
"""What has its kind whatever else is in the program."""


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
    callee = node.callee
    if type(callee) is not Builtin:
        function = only_function(callee.symbol) if type(callee) is Ident else None
        return str(function.result.kind) if function else ""
    name = callee.name
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


def unknown(value: Any) -> bool:
    """Whether what a function returns may be anything; None is that it returns nothing."""
    return value is not None and kind_of(value) == ""


def only_function(symbol: Symbol) -> Func | None:
    """The function a variable always holds."""
    values = symbol.values
    return values[0] if len(values) == 1 and type(values[0]) is Func else None


def _direct(symbol: Symbol, function: Func) -> bool:
    """Whether a function goes nowhere and is called with as many arguments as it takes."""
    count = len(function.params)
    return (
        symbol.uses == len(symbol.calls)
        and not function.variadic
        and not symbol.name.startswith("on_")
        and all(len(call.args) == count and not call.spread for call in symbol.calls)
    )


def _made(value: Any) -> bool:
    """Whether a value is surely an array that nothing else has."""
    of = type(value)
    return of is Array or (
        of is Call and type(value.callee) is Builtin and RESULTS.get(value.callee.name) == "a"
    )


def _counts(symbol: Symbol, value: Any) -> bool:
    """Whether a value is a small literal, or the variable itself and as much.

    A count of steps as small as this would take years to get over the largest int.
    """
    if type(value) is Binary and value.op == "+":
        if type(value.left) is not Ident or value.left.symbol is not symbol:
            return False
        value = value.right
    return type(value) is Literal and value.kind == "i" and value.value <= MAX_STEP


def infer(symbols: list[Symbol], given: Symbol | None) -> None:
    """Works out the kind of each variable from all that is assigned to it.

    `given` is the variable that whoever runs the program reads.
    """
    for symbol in symbols:
        if symbol.grows:
            symbol.own = all(map(_made, symbol.values))
            symbol.free = symbol.own and not symbol.indexed
        function = only_function(symbol)
        if function is not None and symbol is not given and _direct(symbol, function):
            function.direct = True
            for i, param in enumerate(function.params):
                param.values[0:1] = [call.args[i] for call in symbol.calls]
    open_ones = []
    for symbol in symbols:
        values = symbol.values
        if len(values) == 1 and type(values[0]) in PLAIN:
            symbol.kind = kind_of(values[0])
        elif None in values or not values:
            symbol.kind = ""
        else:
            open_ones.append(symbol)
    for _ in range(MAX_ROUNDS):
        left = [symbol for symbol in open_ones if symbol.kind]
        if not sum(map(_joined, left)):
            break
        open_ones.reverse()
    else:
        for symbol in open_ones:
            symbol.kind = ""
    for symbol in open_ones:
        if symbol.kind == "?":
            symbol.kind = ""
        elif symbol.kind == "i":
            symbol.natural = all(_counts(symbol, value) for value in symbol.values)


def _joined(symbol: Symbol) -> bool:
    """Takes in what is now known of a variable's values; whether that is news."""
    before = kind = symbol.kind
    for value in symbol.values:
        kind = join(kind, kind_of(value))
        if kind == "":
            break
    symbol.kind = kind
    return kind != before
