"""Reads the expressions of a source into the tree, and resolves names on the way.

Unlike in Go, a function may only use what was defined before it, so one pass is enough. Names that
nothing defines are noted in `Program.free`: whoever runs the program says whether they exist.
"""

from __future__ import annotations

from typing import Any, NoReturn

from . import ast
from .ast import Func, Program, Symbol
from .lexer import KEYWORDS, TOKEN, problem, tokenize
from .scopes import BUILTINS, Scopes

PRECEDENCE = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 3),
    **dict.fromkeys(("+", "-", "|", "^"), 4),
    **dict.fromkeys(("*", "/", "%", "<<", ">>", "&", "&^"), 5),
}
MAX_DEPTH = 60
"""How deep expressions and blocks may be nested: what Lua's parser takes of what they become."""

SHOWN = {
    "name": "IDENT",
    "int": "INT",
    "float": "FLOAT",
    "char": "CHAR",
    "string": "STRING",
    "end": "EOF",
}

LITERALS: dict[str, tuple[str, Any]] = {
    "int": ("i", None),
    "float": ("f", None),
    "string": ("s", None),
    "char": ("c", None),
    "true": ("b", True),
    "false": ("b", False),
    "undefined": ("u", 0),
}
LEAVES = frozenset(("name", *LITERALS))
FOLLOWING = frozenset((".", "(", "["))
"""What goes on with a name or a literal."""

GOING_ON = FOLLOWING | frozenset(PRECEDENCE) | {"?"}
"""What goes on with an expression."""

OPENING, ENDING = frozenset(("(", "[", "{")), frozenset((")", "]", "}"))

CLOSING = frozenset((",", ")", "]", "}", ";"))
"""After what the expression is over."""


class ExpressionParser:
    """Tokens from `at` on, and the expressions they stand for."""

    def __init__(self, source: str, name: str) -> None:
        self.source, self.name = source, name
        self.kinds, self.values, self.places, self.lines = tokenize(source, name)
        self.at = 0
        self.depth = 0
        self.loops = [[]]  # type: list[list[Any]]
        self.out = Program()
        self.scopes = Scopes(self.out.main)
        self.hidden: dict[Symbol, int] = {}
        self.known: dict[int, bool] = {}

    # What is wrong. -----------------------------------------------------------------------------

    def fail(self, stage: str, reason: str, place: int | None = None) -> NoReturn:
        if place is None:
            place = self.places[self.at]
        if self.kinds[self.at] == "bad" and place >= self.places[self.at]:
            raise self.values[self.at]
        raise problem(stage, reason, self.source, self.name, place)

    def expected(self, what: str) -> NoReturn:
        kind, value = self.kinds[self.at], self.values[self.at]
        if kind == ";" and value == "\n":
            found = "newline"
        elif kind == "end":
            found = "'EOF'"
        elif kind in SHOWN:
            piece = TOKEN.match(self.source, self.places[self.at])
            found = piece[0][:40] if piece else kind
        else:
            found = f"'{kind}'"
        self.fail("Parse", f"expected {what}, found {found}")

    def expect(self, kind: str) -> int:
        at = self.at
        if self.kinds[at] != kind:
            self.expected(f"'{SHOWN.get(kind, kind)}'")
        self.at = at + 1
        return at

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail("Parse", f"nested deeper than {MAX_DEPTH} levels")

    def block(self) -> Any:
        """Statements in braces."""
        raise NotImplementedError

    # Expressions. -------------------------------------------------------------------------------

    def expression(self) -> Any:
        at = self.at
        if self.kinds[at] in LEAVES and self.kinds[at + 1] in CLOSING and self.depth < MAX_DEPTH:
            return self.leaf(at)
        self.deeper()
        left = self.binary(1)
        if self.kinds[self.at] == "?":
            self.at += 1
            yes = self.expression()
            self.expect(":")
            left = ast.Ternary(self.places[at], left.line, left, yes, self.expression())
        self.depth -= 1
        return left

    def binary(self, least: int) -> Any:
        kinds, precedence, at = self.kinds, PRECEDENCE, self.at
        start = self.places[at]
        leaf = kinds[at] in LEAVES and kinds[at + 1] not in FOLLOWING
        left = self.leaf(at) if leaf else self.unary()
        while True:
            op = kinds[self.at]
            level = precedence.get(op, 0)
            if level < least:
                return left
            self.at += 1
            right = self.binary(level + 1)
            left = ast.Binary(start, left.line, op, left, right)

    def unary(self) -> Any:
        at = self.at
        kind = self.kinds[at]
        if kind in ("-", "!", "+", "^"):
            self.at += 1
            self.deeper()
            operand = self.unary()
            self.depth -= 1
            return ast.Unary(self.places[at], self.lines[at], kind, operand)
        return self.primary()

    def primary(self) -> Any:
        start = self.places[self.at]
        node = self.operand()
        kinds, count = self.kinds, 0
        while True:
            kind = kinds[self.at]
            if kind == ".":
                self.at += 1
                at = self.at
                if kinds[at] != "name" and kinds[at] not in KEYWORDS:
                    self.expected("selector")
                self.at += 1
                if type(node) is ast.Builtin:  # a namespace of the same name: time.now()
                    node = self.unknown(node.name, node.place, node.line)
                key = ast.Literal(self.places[at], self.lines[at], "s", self.values[at].encode())
                node = ast.Index(start, node.line, node, key)
            elif kind == "(":
                node = self.call(node, start)
            elif kind == "[":
                node = self.index(node, start)
            else:
                return node
            count += 1
            if count > 150:
                self.fail("Parse", "more than 150 selectors, indexes and calls in a row")

    def call(self, callee: Any, start: int) -> Any:
        at = self.at
        self.at += 1
        args, spread = [], False
        while self.kinds[self.at] not in (")", "end"):
            args.append(self.expression())
            if self.kinds[self.at] == "...":
                self.at += 1
                spread = True
            if not self.separator(")", "call argument") or spread:
                break
        self.expect(")")
        made = ast.Call(start, self.lines[at], callee, args, spread)
        if type(callee) is ast.Ident:
            callee.symbol.calls.append(made)
        return made

    def index(self, node: Any, start: int) -> Any:
        at = self.at
        self.at += 1
        low = None if self.kinds[self.at] == ":" else self.expression()
        if self.kinds[self.at] == ":":
            self.at += 1
            high = None if self.kinds[self.at] == "]" else self.expression()
            self.expect("]")
            return ast.Slice(start, self.lines[at], node, low, high)
        self.expect("]")
        return ast.Index(start, self.lines[at], node, low)

    def leaf(self, at: int) -> Any:
        """A name or a literal."""
        self.at = at + 1
        kind = self.kinds[at]
        if kind == "name":
            return self.named(self.values[at], self.places[at], self.lines[at])
        letter, value = LITERALS[kind]
        value = self.values[at] if value is None else value
        return ast.Literal(self.places[at], self.lines[at], letter, value)

    def operand(self) -> Any:
        at = self.at
        kind = self.kinds[at]
        if kind in LEAVES:
            return self.leaf(at)
        place, line = self.places[at], self.lines[at]
        if kind == "(":
            self.at = at + 1
            node = self.expression()
            self.expect(")")
            return node
        if kind == "[":
            return self.array(place, line)
        if kind == "{":
            return self.map(place, line)
        if kind == "func":
            return self.func(place, line)
        if kind == "import":
            self.at = at + 1
            self.expect("(")
            if self.kinds[self.at] != "string":
                self.expected("module name")
            name = self.expect("string")
            self.expect(")")
            module = self.values[name].decode(errors="replace")
            if not module:
                self.fail("Compile", "empty module name", place)
            self.out.imports.setdefault(module, place)
            return ast.Import(place, line, module)
        if kind in ("error", "immutable"):
            self.at = at + 1
            self.expect("(")
            value = self.expression()
            self.expect(")")
            return ast.Made(place, line, kind, value)
        return self.expected("operand")

    def named(self, name: str, place: int, line: int) -> Any:
        symbol = self.scopes.find(name, self.hidden, self.alone)
        if symbol is not None:
            symbol.uses += 1
            if symbol.function is not self.scopes.function:
                symbol.captured = True
            if symbol in self.hidden:
                symbol.lua = "used"
            return ast.Ident(place, line, symbol)
        if name in BUILTINS:
            return ast.Builtin(place, line, name)
        return self.unknown(name, place, line)

    def alone(self, at: int) -> bool:
        """Whether the expression from token `at` on is a function literal and nothing else."""
        known = self.known.get(at)
        if known is None:
            end, open_, kinds = at, 0, self.kinds
            if kinds[at] == "func":
                while kinds[end] != "end":
                    end += 1
                    kind = kinds[end]
                    open_ += kind in OPENING
                    open_ -= kind in ENDING
                    if kind == "}" and not open_:
                        break
            known = end > at and (kinds[end] == "end" or kinds[end + 1] not in GOING_ON)
            self.known[at] = known
        return known

    def unknown(self, name: str, place: int, line: int) -> Any:
        """A name that whoever runs the program has to know."""
        self.out.free.setdefault(name, place)
        return ast.Free(place, line, name)

    def array(self, place: int, line: int) -> Any:
        self.at += 1
        items = []
        while self.kinds[self.at] not in ("]", "end"):
            items.append(self.expression())
            if not self.separator("]", "array element"):
                break
        self.expect("]")
        return ast.Array(place, line, items)

    def separator(self, end: str, item: str) -> bool:
        """Whether there is a comma, behind which another `item` must follow.

        The end of the line may stand before the end of a list.
        """
        if self.kinds[self.at] == ",":
            self.at += 1
            if self.kinds[self.at] == end:
                self.expected(item)
            return True
        if self.kinds[self.at] == ";" and self.values[self.at] == "\n":
            self.at += 1
        return False

    def map(self, place: int, line: int) -> Any:
        self.at += 1
        items = []
        while self.kinds[self.at] not in ("}", "end"):
            kind = self.kinds[self.at]
            key = self.values[self.at]
            if kind != "string":
                if kind == "end" or not (
                    isinstance(key, str) and (kind == "name" or kind in KEYWORDS)
                ):
                    self.expected("map key")
                key = key.encode()
            self.at += 1
            self.expect(":")
            items.append((key, self.expression()))
            if not self.separator("}", "map element"):
                break
        self.expect("}")
        return ast.Map(place, line, items)

    def func(self, place: int, line: int) -> Any:
        self.at += 1
        scopes, outer, loops = self.scopes, self.scopes.function, self.loops
        made = Func(place, line, outer)
        scopes.function, self.loops = made, [[]]
        scopes.open()
        self.expect("(")
        while self.kinds[self.at] != ")":
            if self.kinds[self.at] == "...":
                self.at += 1
                made.variadic = True
            at = self.expect("name")
            symbol = scopes.define(self.values[at])
            if symbol is None:
                self.fail(
                    "Compile", f"'{self.values[at]}' redeclared in this block", self.places[at]
                )
            symbol.values.append(None)
            made.params.append(symbol)
            if self.kinds[self.at] != "," or made.variadic:
                break
            self.at += 1
            if self.kinds[self.at] == ")":
                self.expected("'IDENT'")
        self.expect(")")
        made.body = self.block().statements
        made.end = self.lines[self.at - 1]
        if not (made.body and type(made.body[-1]) is ast.Return):
            made.result.values.append(None)
        scopes.symbols.append(made.result)
        scopes.close()
        scopes.function, self.loops = outer, loops
        return made
