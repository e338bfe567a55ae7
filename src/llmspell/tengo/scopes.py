"""Which variable a name stands for: blocks within blocks, resolved while the source is read."""

from __future__ import annotations

from collections.abc import Callable

from .ast import Func, Symbol

BUILTINS = frozenset(
    [
        "len",
        "copy",
        "append",
        "delete",
        "splice",
        "string",
        "int",
        "bool",
        "float",
        "char",
        "bytes",
        "time",
        "format",
        "range",
        "type_name",
        "is_int",
        "is_float",
        "is_string",
        "is_bool",
        "is_char",
        "is_bytes",
        "is_array",
        "is_immutable_array",
        "is_map",
        "is_immutable_map",
        "is_iterable",
        "is_time",
        "is_error",
        "is_undefined",
        "is_function",
        "is_callable",
    ]
)
"""Functions of the language itself."""


class Scopes:
    """The blocks that are open, innermost last, and the variables of each name in them.

    `symbols` are all variables there ever were.
    """

    def __init__(self, main: Func) -> None:
        self.blocks: list[dict[str, Symbol]] = []
        self.named: dict[str, list[Symbol]] = {}
        self.symbols: list[Symbol] = []
        self.function = main

    def open(self) -> None:
        """Opens a block of the function at hand."""
        self.blocks.append({})

    def close(self) -> None:
        """Closes the innermost block."""
        for name in self.blocks.pop():
            self.named[name].pop()

    def define(self, name: str) -> Symbol | None:
        """A new variable of the innermost block, or None where the block has one of this name."""
        block = self.blocks[-1]
        if name in block:
            return None
        symbol = block[name] = Symbol(name, self.function)
        self.symbols.append(symbol)
        self.named.setdefault(name, []).append(symbol)
        return symbol

    def find(
        self, name: str, hidden: dict[Symbol, int], alone: Callable[[int], bool]
    ) -> Symbol | None:
        """The variable a name stands for.

        Those in `hidden` are being defined, by what starts at that token: where this is a function
        and nothing else (`alone`), it may use them. Functions within other values find what has
        the name around them first.
        """
        own = None
        for symbol in reversed(self.named.get(name, ())):
            if symbol not in hidden:
                return symbol
            if symbol.function is not self.function:
                if alone(hidden[symbol]):
                    return symbol
                own = own or symbol
        return None if name in BUILTINS else own
