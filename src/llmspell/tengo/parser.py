"""Reads tokens into the tree: statements. Expressions are in grammar.py."""

from __future__ import annotations

from typing import Any, NoReturn

from . import ast
from .ast import Program, Symbol
from .grammar import LEAVES, ExpressionParser

ASSIGNING = frozenset(["=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "&^="])
NAMED = (ast.Ident, ast.Free, ast.Builtin)


def parse(source: str, name: str, result: str) -> Program:
    """The tree of a program. `result` is a variable that exists before it starts."""
    return _Parser(source, name).program(result)


STARTING = frozenset(
    [
        *LEAVES,
        *("func", "error", "immutable", "import"),
        *("(", "{", "[", "+", "-", "*", "&", "^", "!"),
    ]
)
"""Kinds with which a simple statement starts."""


class _Parser(ExpressionParser):
    def program(self, result: str) -> Program:
        scopes, out = self.scopes, self.out
        scopes.open()
        given = scopes.define(result)
        assert given is not None
        given.values.append(None)
        scopes.open()
        out.body = self.statements("end")
        if self.kinds[self.at] != "end":
            self.expected("statement")
        out.result = scopes.blocks[1].get(result, given)
        out.main.params = [given]
        out.symbols = scopes.symbols
        out.turned = sorted(self.lines_with(">", ">=") - self.lines_with("<", "<="))
        return out

    def lines_with(self, *ops: str) -> set[int]:
        return {line for kind, line in zip(self.kinds, self.lines, strict=True) if kind in ops}

    def statements(self, until: str) -> list[Any]:
        found: list[Any] = []
        kinds = self.kinds
        while kinds[self.at] != until and kinds[self.at] != "end":
            statement = self.statement()
            if statement is not None:
                found.append(statement)
            kind = kinds[self.at]
            if kind == ";":
                self.at += 1
            elif kind != until and kind != "end":
                self.expected("';'" if kind != "}" else "statement")
        return found

    def block(self, scoped: bool = True) -> Any:
        start = self.expect("{")
        self.deeper()
        if scoped:
            self.scopes.open()
        statements = self.statements("}")
        if scoped:
            self.scopes.close()
        self.depth -= 1
        self.expect("}")
        return ast.Block(self.places[start], self.lines[start], statements)

    def statement(self) -> Any:
        kind = self.kinds[self.at]
        method = _STATEMENTS.get(kind)
        if method is not None:
            return method(self)
        if kind == ";":
            return None
        if kind not in STARTING:
            self.expected("statement")
        return self.simple()

    def simple(self) -> Any:
        """An expression, an assignment, or a definition."""
        at, kinds = self.at, self.kinds
        place, line = self.places[at], self.lines[at]
        if kinds[at] == "name" and kinds[at + 1] == ":=":
            return self.define(at)
        target = self.expression()
        kind = kinds[self.at]
        if kind in ASSIGNING:
            self.at += 1
            value = self.expression()
            if kinds[self.at] == ",":
                self.fail("Compile", "tuple assignment not allowed", place)
            return self.assign(target, kind[:-1], value, place, line)
        if kind == "++" or kind == "--":
            self.at += 1
            one = ast.Literal(place, line, "i", 1)
            return self.assign(target, kind[0], one, place, line)
        if kind == ",":
            self.several(place)
        if kind == ":=":
            self.fail("Compile", "operator ':=' not allowed with selector", place)
        return ast.Expression(place, line, target)

    def several(self, place: int) -> NoReturn:
        """More than one expression: only an assignment may start so, and none is allowed to."""
        while self.kinds[self.at] == ",":
            self.at += 1
            self.expression()
        if self.kinds[self.at] in ("=", ":="):
            self.fail("Compile", "tuple assignment not allowed", place)
        self.fail("Parse", "expected 1 expression", place)

    def define(self, at: int) -> Any:
        name = self.values[at]
        self.at = at + 2
        symbol = self.scopes.define(name)
        if symbol is None:
            self.fail("Compile", f"'{name}' redeclared in this block", self.places[at])
        self.hidden[symbol] = self.at
        before = len(symbol.values)
        symbol.lua = ""
        value = self.expression()
        if self.kinds[self.at] == ",":
            self.fail("Compile", "tuple assignment not allowed", self.places[at])
        del self.hidden[symbol]
        recursive = symbol.lua == "used" or len(symbol.values) > before
        symbol.lua = ""
        symbol.values.append(value)
        if recursive and type(value) is not ast.Func:
            symbol.values.append(None)  # what it is until then
        return ast.Define(self.places[at], self.lines[at], symbol, value, recursive)

    def assign(self, target: Any, op: str, value: Any, place: int, line: int) -> Any:
        root = target
        while type(root) is ast.Index:
            root = root.of
        if type(root) not in NAMED or self.source[place] == "(":
            why = "only a variable, or what is in one, can be assigned to"
            self.fail("Compile", f"unresolved reference '': {why}", place)
        if type(target) is ast.Ident:
            symbol = target.symbol
            symbol.moved |= symbol.function is not self.scopes.function
            if op:
                symbol.values.append(ast.Binary(place, line, op, target, value))
            else:
                symbol.values.append(value)
                if (
                    type(value) is ast.Call
                    and type(value.callee) is ast.Builtin
                    and value.callee.name == "append"
                    and value.args
                    and type(value.args[0]) is ast.Ident
                    and value.args[0].symbol is symbol
                    and not (value.spread and len(value.args) == 1)
                ):
                    symbol.grows = True
        elif type(target) is ast.Free or type(target) is ast.Builtin:
            self.fail("Compile", f"unresolved reference '{target.name}'", place)
        elif type(target.of) is ast.Ident:
            target.of.symbol.indexed = True
        return ast.Assign(place, line, target, op, value)

    def if_(self) -> Any:
        """All the arms of one chain are one node: they may be many."""
        start = self.at
        arms, otherwise, opened = [], None, 0
        while True:
            self.at += 1
            self.scopes.open()
            opened += 1
            if opened > 1000:
                self.fail("Parse", "more than 1000 arms of one if")
            arms.append(self.if_arm())
            if self.kinds[self.at] != "else":
                break
            self.at += 1
            if self.kinds[self.at] == "if":
                continue
            if self.kinds[self.at] != "{":
                self.expected("if or {")
            otherwise = self.block()
            break
        for _ in range(opened):
            self.scopes.close()
        return ast.If(self.places[start], self.lines[start], None, arms, otherwise)

    def if_arm(self) -> tuple[Any, Any, Any]:
        if self.kinds[self.at] == "{":
            self.fail("Parse", "missing condition in if statement")
        if self.kinds[self.at] == ";":
            self.fail("Parse", "missing init in if statement")
        init, at, test = None, self.at, self.simple()
        if self.kinds[self.at] == ";":
            self.at += 1
            init, at, test = test, self.at, self.simple()
        elif self.kinds[self.at] != "{":
            self.fail("Parse", "missing condition in if statement")
        return init, self.tested(test, "boolean", at), self.block()

    def tested(self, test: Any, what: str, at: int) -> Any:
        """The expression that a statement from token `at` on has to be."""
        if type(test) is not ast.Expression:
            step = type(test) is ast.Assign and self.kinds[self.at - 1] in ("++", "--")
            found = "simple statement" if step else "assignment"
            self.fail("Parse", f"expected {what} expression, found {found}", self.places[at])
        return test.value

    def for_(self) -> Any:
        at, kinds = self.at, self.kinds
        place, line = self.places[at], self.lines[at]
        self.at = at + 1
        self.scopes.open()
        if kinds[at + 1] == "name" and (
            kinds[at + 2] == "in"
            or (kinds[at + 2] == "," and kinds[at + 3] == "name" and kinds[at + 4] == "in")
        ):
            made = self.for_in(place, line)
        else:
            init = test = post = None
            at = self.at
            if kinds[self.at] != "{":
                if kinds[self.at] != ";":
                    init = self.simple()
                if kinds[self.at] == "in":
                    self.fail("Parse", "expected identifier", self.places[at])
                if kinds[self.at] == ";":
                    self.at += 1
                    at = self.at
                    if kinds[self.at] != ";":
                        test = self.simple()
                        test = self.tested(test, "condition", at)
                    self.expect(";")
                    if kinds[self.at] != "{":
                        post = self.simple()
                elif init is not None:
                    init, test = None, self.tested(init, "condition", at)
            body, continues = self.loop_body()
            made = ast.For(place, line, init, test, post, body, continues)
        self.scopes.close()
        return made

    def for_in(self, place: int, line: int) -> Any:
        names = [self.values[self.at]]
        if self.kinds[self.at + 1] == ",":
            names.append(self.values[self.at + 2])
            self.at += 2
        self.at += 2
        subject = self.expression()
        symbols: list[Symbol | None] = []
        for name in names:
            symbol = None if name == "_" else self.scopes.define(name)
            if symbol is None and name != "_":
                self.fail("Compile", f"'{name}' redeclared in this block", place)
            if symbol is not None:
                symbol.values.append(None)
            symbols.append(symbol)
        key, value = symbols if len(symbols) == 2 else (None, symbols[0])
        body, continues = self.loop_body()
        return ast.ForIn(place, line, key, value, subject, body, continues)

    def loop_body(self) -> tuple[Any, bool]:
        continues: list[Any] = []
        self.loops.append(continues)
        body = self.block()
        self.loops.pop()
        return body, bool(continues)

    def return_(self) -> Any:
        at = self.at
        self.at += 1
        value = None if self.kinds[self.at] in (";", "}", "end") else self.expression()
        if self.scopes.function is self.out.main:
            self.fail("Compile", "return not allowed outside function", self.places[at])
        self.scopes.function.result.values.append(value)
        return ast.Return(self.places[at], self.lines[at], value)

    def export(self) -> Any:
        at = self.at
        self.at += 1
        value = self.expression()
        if self.scopes.function is not self.out.main:
            self.fail("Compile", "export not allowed inside function", self.places[at])
        return ast.Export(self.places[at], self.lines[at], value)

    def branch(self) -> Any:
        at, word = self.at, self.kinds[self.at]
        self.at += 1
        if self.kinds[self.at] == "name":  # A label, which means nothing.
            self.at += 1
        if len(self.loops) == 1:
            self.fail("Compile", f"{word} not allowed outside loop", self.places[at])
        if word == "continue":
            self.loops[-1].append(at)
        return ast.Branch(self.places[at], self.lines[at], word)


_STATEMENTS: dict[str, Any] = {
    "if": _Parser.if_,
    "for": _Parser.for_,
    "return": _Parser.return_,
    "export": _Parser.export,
    "break": _Parser.branch,
    "continue": _Parser.branch,
}
