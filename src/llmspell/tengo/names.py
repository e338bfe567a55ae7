"""The names and places of a program that is made into Lua.

What Lua has limits for - local variables, upvalues - goes into tables beyond a bound.
"""

from __future__ import annotations

import re

from .ast import Program, Symbol

KEYWORDS = frozenset(
    [
        "and",
        "break",
        "do",
        "else",
        "elseif",
        "end",
        "false",
        "for",
        "function",
        "goto",
        "if",
        "in",
        "local",
        "nil",
        "not",
        "or",
        "repeat",
        "return",
        "then",
        "true",
        "until",
        "while",
    ]
)
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
MAX_LOCALS = 90
"""Variables that are Lua's own at one place; Lua has 200, and 255 for a function to use."""

MAX_NAME = 59
"""Bytes of the name of a program that Lua shows."""


class Names:
    """What is declared where, what of the runtime is used, and on which line the output is."""

    def __init__(self, program: Program, source: str, name: str) -> None:
        self.program = program
        self.read = source, name
        self.name = name.encode()[:MAX_NAME]
        self.out: list[str] = []
        self.line = 1
        self.used: dict[str, str] = {}
        self.visible: set[str] = set()
        self.naturals: set[str] = set()
        self.blocks: list[tuple[int, list[str]]] = []
        self.spill: list[str] = []
        self.active = 0
        self.count = 0
        self.loops: list[str] = []

    def open(self) -> None:
        self.blocks.append((self.active, []))
        self.spill.append("")

    def close(self) -> None:
        self.active, names = self.blocks.pop()
        self.visible.difference_update(names)
        self.spill.pop()

    def fresh(self, name: str) -> str:
        """A Lua name that hides no other."""
        made = name
        if not IDENTIFIER.fullmatch(name) or name in KEYWORDS or name.startswith("_"):
            made = "v_" + "".join(
                c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in name
            )
        base, n = made, 1
        while made in self.visible:
            n += 1
            made = f"{base}_{n}"
        self.visible.add(made)
        self.naturals.discard(made)
        self.blocks[-1][1].append(made)
        self.active += 1
        return made

    def declare(self, symbol: Symbol) -> str:
        """Gives a variable its place. What declares it: "local x", or a place in a table."""
        if self.active < MAX_LOCALS:
            symbol.lua = self.fresh(symbol.name)
            if symbol.natural:
                self.naturals.add(symbol.lua)
            return "local " + symbol.lua
        if not self.spill[-1]:
            self.count += 1
            table = self.spill[-1] = f"_Ts{self.count}"
            self.active += 1
            self.out.append(f"local {table}={{}};")
        self.count += 1
        symbol.lua = f"{self.spill[-1]}[{self.count}]"
        return symbol.lua

    def whole(self, symbol: Symbol) -> str:
        """A variable whose value goes somewhere else, which must then not grow in place."""
        if not symbol.grows:
            return symbol.lua
        symbol.escapes = True
        return f"{self.helper('share')}({symbol.lua})"

    def last(self, symbol: Symbol) -> str:
        """A variable whose value goes somewhere else when nothing can use the variable any more."""
        if not symbol.own or symbol.captured:
            return self.whole(symbol)
        return f"{self.helper('settle')}({symbol.lua})" if symbol.free else symbol.lua

    def helper(self, name: str) -> str:
        local = "_T" + name
        self.used[local] = "_T." + name
        return local

    def mark(self, line: int) -> str:
        if line > self.line:
            self.line = line
            return f"\1{line}\2"
        return ""
