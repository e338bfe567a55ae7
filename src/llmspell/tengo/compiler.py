"""Tree to Lua 5.4 source, every line on the line it has in the Tengo source."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from . import ast
from .ast import Array, Binary, Builtin, Call, Free, Func, Ident, Index, Symbol
from .errors import TengoSyntaxError
from .expressions import MAX_ARGS, UNARY, Expressions, Text, acts, quoted, steady
from .kinds import infer, only_function, unknown
from .names import MAX_LOCALS
from .parser import parse

STANDARD = frozenset(
    ["fmt", "text", "math", "times", "rand", "json", "base64", "hex", "enum", "os"]
)
"""The modules that come with the language."""

PURE = STANDARD - {"os"}
"""Those that ask nothing of the host that could fail."""

EXTRA = "_Tx,_Ty,_Tz"
"""Parameters that catch arguments too many."""

LINE = re.compile("\1([0-9]+)\2")
PUSH = re.compile("\3([0-9]+)\2")
"""Where an array grows in place: how depends on what comes later."""

BUILTIN = re.compile(r"_Tb_\w+\(", re.ASCII)


class Compiled(NamedTuple):
    """Lua source; the names the program uses and does not define, the modules it imports: where."""

    code: str
    free: dict[str, int]
    imports: dict[str, int]


def compile_source(source: str, name: str, result: str = "result") -> Compiled:
    """Compiles a program. Raises TengoSyntaxError.

    `result` is the variable whose value the program gives when it exports nothing.
    """
    try:
        program = parse(source, name, result)
        infer(program.symbols, program.result)
        code = _Emitter(program, source, name).chunk()
    except RecursionError:
        raise TengoSyntaxError("Parse", "nested too deep", name, 1, 1) from None
    return Compiled(code, program.free, program.imports)


class _Emitter(Expressions):
    def __init__(self, program: Any, source: str, name: str) -> None:
        super().__init__(program, source, name)
        self.pushes: list[tuple[Symbol, str, str]] = []

    def chunk(self) -> str:
        program = self.program
        given = program.main.params[0]
        self.open()
        given.lua = self.fresh(given.name)
        self.open()
        self.statements(program.body, True)
        result = program.result
        assert result is not None
        if not (program.body and type(program.body[-1]) is ast.Export):
            self.out.append(f" return ({self.helper('finish')}(_Tm,{self.last(result)}))")
        body = "".join(self.out)
        if self.pushes:
            body = PUSH.sub(self.pushed, body)
        head = ["local _Tm=... local _T=_tengo"]
        turned = " ".join(map(str, program.turned))
        if self.used:
            head.append(f"local {','.join(self.used)}={','.join(self.used.values())}")
        if turned:
            head.append(f'_T.turned(" {turned} ")')
        head.append(f"local _Td,{given.lua}=nil,_T.U")
        return self.place_lines(" ".join(head) + ";" + body)

    @staticmethod
    def place_lines(text: str) -> str:
        parts = LINE.split(text)
        out, line = [parts[0]], 1
        for i in range(1, len(parts), 2):
            wanted = int(parts[i])
            if wanted > line:
                out.append("\n" * (wanted - line))
                line = wanted
            out.append(parts[i + 1])
        return "".join(out)

    # Statements. --------------------------------------------------------------------------------

    def statements(self, statements: list[Any], last: bool) -> None:
        """`last`: nothing follows them in their block of Lua: they may end with a return."""
        for statement in statements[:-1]:
            self.statement(statement, False)
        if statements:
            self.statement(statements[-1], last)

    def statement(self, node: Any, last: bool) -> None:
        self.out.append(self.mark(node.line))
        _STATEMENTS[type(node)](self, node, last)

    def block(self, node: Any, last: bool) -> None:
        self.open()
        self.statements(node.statements, last)
        self.close()

    def define(self, node: Any, last: bool) -> None:
        symbol = node.symbol
        if node.recursive:
            place = self.declare(symbol)
            self.out.append(f"{place}={self.helper('U')};")
            value = self.assigned(symbol, node.value)
            self.out.append(f"{symbol.lua}={value};")
        else:
            value = self.assigned(symbol, node.value)
            self.out.append(f"{self.declare(symbol)}={value};")
        if symbol.name.startswith("on_") and type(node.value) is Func:
            self.out.append(
                f"{self.helper('publish')}({quoted(symbol.name.encode())},{symbol.lua});"
            )

    def assigned(self, symbol: Symbol, value: Any) -> str:
        """What a variable is given: an array that grows in place must be nobody else's."""
        if symbol.free and type(value) is Array:
            return self.mark(value.line) + self.array(value, "FREE")[0]
        text, _, kind = self.expr(value)
        if symbol.free:
            return f"{self.helper('loosen')}({text})"
        if symbol.grows and kind not in ("i", "f", "s", "b", "c") and type(value) is not Array:
            return f"{self.helper('share')}({text})"
        return text

    def assign(self, node: Any, last: bool) -> None:
        target, op, value = node.target, node.op, node.value
        if op:
            value = Binary(node.place, node.line, op, target, value)
        if type(target) is Ident:
            symbol = target.symbol
            if symbol.grows and type(value) is Call and self.grows(symbol, value):
                args = self.arguments(value.args[1:], value.spread)
                self.out.append(self.push(symbol, args, len(value.args) == 2 and not value.spread))
            else:
                self.out.append(f"{symbol.lua}={self.assigned(symbol, value)};")
            return
        place, _, _ = self.postfix(target, True)
        text, _, _ = self.expr(value)
        start = ";" if place.startswith("(") else ""
        apart = steady(value) if acts(target) else steady(target.of) and steady(target.key)
        if not apart and (acts(target) or acts(value)):
            # Tengo works out the value first.
            self.out.append(f"do local _Te={text};{start}{place}=_Te;end;")
        else:
            self.out.append(f"{start}{place}={text};")

    def push(self, symbol: Symbol, args: str, alone: bool) -> str:
        """What makes an array grow by what is given, which is one value or any number."""
        array = symbol.lua
        calls = "(" in BUILTIN.sub("", args)
        if calls and symbol.captured:
            count = f"{self.helper('count')}({array})"
            text = f"{self.helper('push_after')}({array},{count},{args})"
        else:
            push = self.helper("push" if alone else "push_all")
            text = f"{push}({array}{args and ',' + args})"
        text = f"{array}={self.helper('loosen')}({text});" if symbol.free else f"{array}={text};"
        if not alone or calls or "\1" in args:
            return text
        self.pushes.append((symbol, args, text))
        return f"\3{len(self.pushes) - 1}\2"

    def pushed(self, match: re.Match[str]) -> str:
        """What makes an array grow; without any check where nothing else ever has it."""
        symbol, value, text = self.pushes[int(match[1])]
        array = symbol.lua
        put = f"{array}[#{array}+1]={value}"
        if not symbol.free:
            put = f"{self.helper('rawset')}({array},#{array}+1,{value})"
        if symbol.kind != "a":
            test = f"{self.helper('held')}[{array}]"
        elif symbol.escapes or not symbol.own:
            test = f"#{array}>0 and {array}[{self.helper('GROWS')}]"
        else:
            test = f"#{array}>0"
        return f"if {test} then {put} else {text} end;"

    @staticmethod
    def grows(symbol: Symbol, call: Any) -> bool:
        return (
            type(call.callee) is Builtin
            and call.callee.name == "append"
            and bool(call.args)
            and type(call.args[0]) is Ident
            and call.args[0].symbol is symbol
            and not (call.spread and len(call.args) == 1)
        )

    def expression(self, node: Any, last: bool) -> None:
        value = node.value
        text, _, _ = self.expr(value)
        if type(value) is not Call or self.is_len(value.callee):
            self.out.append(f"_Td={text};")
        elif self.may_fail(value.callee):
            self.out.append(f"{self.helper('must')}({text});")
        else:
            self.out.append((";" if text.startswith("(") else "") + text + ";")

    @staticmethod
    def is_len(callee: Any) -> bool:
        """Whether a call may become an operator of Lua, which is no statement."""
        return type(callee) is Builtin and callee.name == "len"

    @staticmethod
    def is_hosts(callee: Any) -> bool:
        """Whether a call is surely one of the host."""
        while type(callee) is Index:
            callee = callee.of
        if type(callee) is Ident and len(callee.symbol.values) == 1:
            callee = callee.symbol.values[0]
        return type(callee) is Free or (type(callee) is ast.Import and callee.name not in STANDARD)

    @staticmethod
    def may_fail(callee: Any) -> bool:
        """Whether a call may give a failure of the host, which nobody may pass over."""
        function = only_function(callee.symbol) if type(callee) is Ident else None
        if function is not None and not any(map(unknown, function.result.values)):
            return False
        while type(callee) is Index:
            callee = callee.of
        if type(callee) is Ident and len(callee.symbol.values) == 1:
            callee = callee.symbol.values[0]
        if type(callee) is ast.Import:
            return callee.name not in PURE
        return type(callee) is not Builtin

    def if_(self, node: Any, last: bool) -> None:
        ends, word, opened = 0, "if ", 0
        for i, (init, test, block) in enumerate(node.arms):
            self.open()
            opened += 1
            if init is not None:
                self.out.append("else do " if i else "do ")
                self.statement(init, False)
                word, ends = "if ", ends + (2 if i else 1)
            text = self.condition(test)[0]
            self.out.append(f"{word}{text} then ")
            self.block(block, True)
            word = " elseif "
        if node.otherwise is not None:
            self.out.append(" else ")
            self.block(node.otherwise, True)
        self.out.append(" end" * (ends + 1) + ";")
        for _ in range(opened):
            self.close()

    def for_(self, node: Any, last: bool) -> None:
        self.open()
        scoped = node.init is not None
        if scoped:
            self.out.append("do ")
            self.statement(node.init, False)
        text = "true" if node.test is None else self.condition(node.test)[0]
        self.out.append(f"while {text} do ")
        self.loop(node, node.post is None)
        if node.post is not None:
            self.statement(node.post, False)
        self.out.append(" end;" + (" end;" if scoped else ""))
        self.close()

    def loop(self, node: Any, last: bool) -> None:
        self.count += 1
        label = f"_Tc{self.count}"
        self.loops.append(label)
        if node.continues:
            self.out.append("do ")
        self.block(node.body, last or node.continues)
        if node.continues:
            self.out.append(f" end ::{label}:: ")
        self.loops.pop()

    def for_in(self, node: Any, last: bool) -> None:
        self.open()
        subject, _, _ = self.expr(node.subject, True)
        self.count += 1
        n = self.count
        if self.active < MAX_LOCALS - 8:
            items, keys, i = f"_Tt{n}", f"_Tk{n}", f"_Ti{n}"
            self.active += 7
            self.out.append(
                f"do local {items},_Tn{n},{keys}={self.helper('sequence')}({subject})"
                f" for {i}=0,_Tn{n} do "
            )
        else:
            items, keys, i = f"_Ts{n}[1]", f"_Ts{n}[3]", f"_Ts{n}[4]"
            self.active += 1
            self.out.append(
                f"do local _Ts{n}={{{self.helper('sequence')}({subject})}};{i}=-1;"
                f"while {i}<_Ts{n}[2] do {i}={i}+1;"
            )
        at = f"{keys} and {keys}[{i}] or {i}"
        if node.key is not None:
            place = self.declare(node.key)
            self.out.append(f"{place}={at};")
            at = node.key.lua
        if node.value is not None:
            place = self.declare(node.value)
            text = f"{items}[{at}]"
            if node.value.grows:
                text = f"{self.helper('share')}({text})"
            self.out.append(f"{place}={text};")
            item = node.value.lua
        else:
            item = f"{items}[{at}]"
        if type(node.subject) is not Array:
            simple = f"not {item} and " if node.value is not None else ""
            self.out.append(f"if {simple}{item}==nil then break end;")
        self.loop(node, True)
        self.out.append(" end end;")
        self.close()

    def branch(self, node: Any, last: bool) -> None:
        self.out.append("break;" if node.word == "break" else f"goto {self.loops[-1]};")

    def return_(self, node: Any, last: bool) -> None:
        if node.value is None:
            text = self.helper("U")
        elif type(node.value) is Ident:
            text = self.last(node.value.symbol)
        else:
            text = self.expr(node.value)[0]
        if type(node.value) is Call and self.is_hosts(node.value.callee):
            text = f"({text})"  # not a tail call: its failure knows this line
        self.out.append(f"return {text}" if last else f"do return {text} end;")

    def export(self, node: Any, last: bool) -> None:
        text, _, _ = self.expr(node.value)
        # Not a tail call: where the program failed is on its stack.
        text = f"return ({self.helper('export')}(_Tm,{text}))"
        self.out.append(text if last else f"do {text} end;")

    # Functions. ---------------------------------------------------------------------------------

    def func(self, node: Func) -> Text:
        outer, self.out = self.out, []
        loops, self.loops = self.loops, []
        self.open()
        params, count = node.params, len(node.params)
        if count > MAX_ARGS:
            head = self.many_params(node)
        elif node.variadic:
            names = [self.declared(p) for p in params[:-1]]
            head = f"function({','.join([*names, '...'])})"
            if names:
                few = f"{self.helper('few')}({count - 1},{','.join(names)})"
                head += f" if not {names[-1]} and {names[-1]}==nil then {few} end;"
            head += f" {self.declare(params[-1])}={self.helper('rest')}(...);"
        else:
            names = [self.declared(p) for p in params]
            head = f"function({','.join(names)}) "
            if not node.direct:
                head = f"function({','.join([*names, EXTRA])}) if _Tx~=nil"
                head += f" or not {names[-1]} and {names[-1]}==nil" if names else ""
                every = ",".join([str(count), *names, EXTRA])
                head += f" then {self.helper('arity')}({every}) end;"
        declared = self.out
        self.out = []
        for param in params:
            if param.grows:
                self.out.append(f"{param.lua}={self.helper('share')}({param.lua});")
        self.open()
        self.statements(node.body, True)
        self.close()
        if not (node.body and type(node.body[-1]) is ast.Return):
            self.out.append(f" return {self.helper('U')}")
        self.out.append(self.mark(node.end))
        text = head + "".join(declared) + "".join(self.out) + " end"
        self.close()
        self.out, self.loops = outer, loops
        return text, UNARY, "o"

    def declared(self, symbol: Symbol) -> str:
        symbol.lua = self.fresh(symbol.name)
        return symbol.lua

    def many_params(self, node: Func) -> str:
        """Parameters beyond what Lua takes are items of one table."""
        self.count += 1
        table = f"_Ts{self.count}"
        self.active += 1
        for i, param in enumerate(node.params):
            param.lua = f"{table}[{i + 1}]"
        many = "true" if node.variadic else "false"
        return f"function(...) local {table}={self.helper('many')}({len(node.params)},{many},...);"


_STATEMENTS: dict[Any, Any] = {
    ast.Define: _Emitter.define,
    ast.Assign: _Emitter.assign,
    ast.Expression: _Emitter.expression,
    ast.If: _Emitter.if_,
    ast.For: _Emitter.for_,
    ast.ForIn: _Emitter.for_in,
    ast.Return: _Emitter.return_,
    ast.Export: _Emitter.export,
    ast.Branch: _Emitter.branch,
}
