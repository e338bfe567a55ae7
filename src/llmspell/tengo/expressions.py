"""Expressions of Tengo as expressions of Lua.

Lua's own operators do the work wherever numbers, strings or metatables (see runtime.lua) make them
mean what Tengo means; what is left is calls into the runtime, whose names start with `_T`.
"""

from __future__ import annotations

import re
from typing import Any

from . import ast
from .ast import Array, Binary, Builtin, Call, Free, Func, Ident, Index, Literal, Map, Slice
from .kinds import binary_kind, call_kind, join
from .lexer import problem
from .names import IDENTIFIER, KEYWORDS, Names

MAX_ARGS = 40
"""Arguments that Lua passes itself; more go through a table."""
MAX_FREE = 15
"""Names of the host that are variables of Lua."""
MAX_JOINED = 40
"""Operators in a row that Lua's parser would nest."""
MAX_NESTED = 150
"""Operators in a row each of which is a call or bracket around all that is before it."""
FOLD = 400
"""Characters of Lua that a row of operators may have before they are put aside."""
FOLDED = "\4"
"""Stands for what is put aside."""

OR, AND, COMPARE, BOR, XOR, BAND, SHIFT, CONCAT, ADD, MUL, UNARY, ATOM = range(1, 13)
NATIVE = {
    "+": (ADD, "+"),
    "-": (ADD, "-"),
    "*": (MUL, "*"),
    "|": (BOR, "|"),
    "^": (XOR, "~"),
    "&": (BAND, "&"),
    "==": (COMPARE, "=="),
    "!=": (COMPARE, "~="),
    "<": (COMPARE, "<"),
    "<=": (COMPARE, "<="),
    ">": (COMPARE, ">"),
    ">=": (COMPARE, ">="),
}
TRUTHY = {"i": "~=0", "s": '~=""', "f": None, "c": None}
SURE = frozenset("ifscao")
"""Kinds whose values Lua takes for true."""
SIMPLE = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?|\"[^\"\\]*\"", re.ASCII)
"""Lua that has a value without doing anything."""

LENGTH = re.compile(r"\(#(\w+)>0 and #\1\+1 or (_Tb_len\(\1\))\)", re.ASCII)
"""How many items an array has."""

UNSAFE = re.compile(rb"[^ !#-\[\]-~]")

Text = tuple[str, int, str]
"""Lua for an expression, how tight it binds, and its kind."""


def quoted(value: bytes) -> str:
    """A Lua string literal, in ASCII and on one line."""
    return '"' + UNSAFE.sub(lambda m: b"\\%03d" % m[0][0], value).decode() + '"'


def acts(node: Any) -> bool:
    """Whether functions of the program may run while this is worked out, and change variables."""
    stack = [node]
    while stack:
        node = stack.pop()
        if type(node) is list or type(node) is tuple:
            stack.extend(node)
        elif type(node) is Call and type(node.callee) is not Builtin:
            return True
        elif isinstance(node, ast.Node) and type(node) is not Func:
            stack.extend(getattr(node, field) for field in type(node).__slots__)
    return False


def moves(node: Any) -> bool:
    """Whether this is a variable that functions of the program may change."""
    return type(node) is Ident and node.symbol.moved


def copied(text: Text) -> Text:
    """What a variable holds now: Lua looks into an operand only after the one behind it."""
    return f"({text[0]} or {text[0]})", ATOM, text[2]


def steady(node: Any) -> bool:
    """Whether an expression is the same after functions of the program have run."""
    stack = [node]
    while stack:
        node = stack.pop()
        if type(node) is Binary:
            stack += (node.left, node.right)
        elif type(node) is ast.Unary:
            stack.append(node.operand)
        elif type(node) not in (Ident, Literal, Free) or moves(node):
            return False
    return True


def _sides(node: Any) -> list[Any]:
    """What one operator joins in a row."""
    op, sides = node.op, []
    while type(node) is Binary and node.op == op:
        sides.append(node.right)
        node = node.left
    return [node, *reversed(sides)]


def _balanced(op: str, sides: list[Any]) -> Any:
    """The same for `&&` and `||` as one after the other, and not as deep."""
    if len(sides) == 1:
        return sides[0]
    half = len(sides) // 2
    left, right = _balanced(op, sides[:half]), _balanced(op, sides[half:])
    return Binary(left.place, left.line, op, left, right)


def fold(text: str, folded: list[str]) -> str:
    """What stands for a long beginning of a row, of which each operator would make a copy."""
    if len(text) <= FOLD:
        return text
    folded.append(text)
    return FOLDED


def unfolded(text: str, folded: list[str]) -> str:
    """A row of operators as one text."""
    ends: list[str] = []
    starts: list[str] = []
    for part in (text, *reversed(folded)):
        start, _, end = part.partition(FOLDED)
        starts.append(start)
        ends.append(end)
    return "".join([*starts, *reversed(ends)])


class Expressions(Names):
    """Makes Lua of each kind of expression; that of functions is where statements are."""

    def func(self, node: Func) -> Text:
        """A function literal."""
        raise NotImplementedError

    def expr(self, node: Any, kept: bool = False) -> Text:
        """`kept`: the value is looked at and goes nowhere else."""
        of = type(node)
        if of is Ident:
            symbol = node.symbol
            if symbol.grows and not kept:
                return self.whole(symbol), ATOM, symbol.kind
            return symbol.lua, ATOM, symbol.kind
        if of in _POSTFIX:
            return self.postfix(node)  # a call is on the line of its bracket, after what is called
        mark = self.mark(node.line)
        if of is Binary:
            text, prec, kind = self.binary(node)
        else:
            text, prec, kind = _EXPRESSIONS[of](self, node)
        return (mark + text, prec, kind) if mark else (text, prec, kind)

    def tight(self, node: Any, least: int, kept: bool = False) -> str:
        text, prec, _ = self.expr(node, kept)
        return text if prec >= least else f"({text})"

    def literal(self, node: Any) -> Text:
        kind, value = node.kind, node.value
        if kind == "s":
            return quoted(value), UNARY, "s"
        if kind == "i":
            return str(value), UNARY, "i"
        if kind == "b":
            return ("true" if value else "false"), UNARY, "b"
        if kind == "f":
            return ("1e999" if value == float("inf") else repr(value)), UNARY, "f"
        if kind == "c":
            return f"{self.helper('chars')}[{value}]", ATOM, "c"
        return self.helper("U"), ATOM, "o"

    def builtin(self, node: Any) -> Text:
        return self.helper("b_" + node.name), ATOM, "o"

    def free(self, node: Any) -> Text:
        names = self.program.free
        if len(names) <= MAX_FREE:
            local = "_Tf_" + str(list(names).index(node.name))
            self.used[local] = f"_T.free({quoted(node.name.encode())})"
            return local, ATOM, ""
        return f"{self.helper('free')}({quoted(node.name.encode())})", ATOM, ""

    def import_(self, node: Any) -> Text:
        return f"{self.helper('import')}({quoted(node.name.encode())})", ATOM, ""

    def made(self, node: Any) -> Text:
        text, _, _ = self.expr(node.operand)
        if node.what == "error":
            place = quoted(b"%s:%d: " % (self.name, node.line))
            return f"{self.helper('error')}({text},{place})", ATOM, "o"
        return f"{self.helper('immutable')}({text})", ATOM, ""

    def array(self, node: Any, how: str = "OWN") -> Text:
        items = [self.expr(item)[0] for item in node.items]
        if items:
            items[0] = "[0]=" + items[0]
            if type(node.items[-1]) is Call and len(items) > 1:
                items[-1] = f"({items[-1]})"
        return f"{self.helper('set')}({{{','.join(items)}}},{self.helper(how)})", ATOM, "a"

    def map(self, node: Any) -> Text:
        items = []
        for key, value in node.items:
            text, _, _ = self.expr(value)
            name = key.decode(errors="replace")
            plain = IDENTIFIER.fullmatch(name) and name not in KEYWORDS
            items.append(f"{name}={text}" if plain else f"[{quoted(key)}]={text}")
        return f"{self.helper('set')}({{{','.join(items)}}},{self.helper('MAP')})", ATOM, "o"

    def unary(self, node: Any) -> Text:
        if node.op == "!":
            text, prec = self.condition(node.operand)
            return "not " + (text if prec >= UNARY else f"({text})"), UNARY, "b"
        text, prec, kind = self.expr(node.operand)
        if prec < ATOM:
            text = f"({text})"
        if node.op == "+":  # of anything, as in Tengo
            return copied((text, ATOM, kind)) if moves(node.operand) else (text, ATOM, kind)
        if node.op == "^":
            if kind == "f":  # Lua would take 5.0 for 5
                return f"{self.helper('complement')}({text})", ATOM, ""
            return "~" + text, UNARY, "i" if kind == "i" else ""
        return "-" + text, UNARY, kind if kind in ("i", "f") else ""

    def ternary(self, node: Any) -> Text:
        test, prec = self.condition(node.test)
        test = test if prec >= AND else f"({test})"
        yes, yes_prec, yes_kind = self.expr(node.yes)
        no, no_prec, no_kind = self.expr(node.no)
        kind = join(yes_kind, no_kind)
        if yes_kind in SURE:
            yes = yes if yes_prec > AND else f"({yes})"
            return f"({test} and {yes} or {no if no_prec > OR else f'({no})'})", UNARY, kind
        no = no if no_prec > OR else f"({no})"
        text = f"{test} and ({yes if yes_prec > OR else f'({yes})'} or {self.helper('NO')}) or {no}"
        return f"{self.helper('unmask')}({text})", ATOM, kind

    # Operators of two sides. ----------------------------------------------------------------------

    def binary(self, node: Any) -> Text:
        """A chain `a + b + c` is as deep on the left as it is long, so it is walked in a loop."""
        if node.op in ("&&", "||") and len(sides := _sides(node)) > MAX_JOINED:
            return self.binary(_balanced(node.op, sides))
        spine = []
        while type(node) is Binary:
            spine.append(node)
            node = node.left
        kept = spine[-1].op not in ("&&", "||")
        left: Text = self.expr(node, kept)
        if kept and moves(node) and acts(spine[-1].right):
            left = copied(left)
        joined, nested = 0, 0
        folded: list[str] = []
        for part in reversed(spine):
            op = part.op
            right: Text = self.expr(part.right, op not in ("&&", "||"))
            left = self.operate(op, left, right)
            joined = joined + 1 if left[1] in (CONCAT, AND, OR) else 0
            if joined >= MAX_JOINED:
                left, joined = (f"({left[0]})", UNARY, left[2]), 0
            nested += left[1] in (UNARY, ATOM)
            if nested > MAX_NESTED:
                reason = f"more than {MAX_NESTED} operators in a row that nest"
                raise problem("Compile", reason, *self.read, part.place)
            left = (fold(left[0], folded), left[1], left[2])
        return (unfolded(left[0], folded), left[1], left[2]) if folded else left

    def operate(self, op: str, left: Text, right: Text) -> Text:
        (a, ap, ak), (b, bp, bk) = left, right
        kind = binary_kind(op, ak, bk)
        if op in ("&&", "||"):
            return self.logical(op, left, right, kind)
        if op == "+" and ak == "s" and bk in ("s", "i"):
            a = a if ap >= CONCAT else f"({a})"
            b = b if bp >= CONCAT else f"({b})"
            return f"{a} .. {b}", CONCAT, "s"
        if op == "<" and ak == "i" and a.isidentifier() and (array := LENGTH.fullmatch(b)):
            # i < len(array) without reckoning with the item at 0, but for the first
            return f"({a}<=#{array[1]} and ({a}~=0 or {a}<{array[2]}))", UNARY, "b"
        if op in "&|^" and "f" in (ak, bk):  # Lua would take 5.0 for 5
            return f"{self.helper('invalid')}({a},{quoted(op.encode())},{b})", ATOM, ""
        if op in NATIVE:
            prec, word = NATIVE[op]
            if prec == COMPARE and {ak, bk} == {"i", "f"}:  # as floats: Lua compares exactly
                a, ap = (a, ap) if ak == "f" else (f"({a}+0.0)", ATOM)
                b, bp = (b, bp) if bk == "f" else (f"({b}+0.0)", ATOM)
            a = a if ap >= prec else f"({a})"
            b = b if bp > prec else f"({b})"
            if op == "-" and b.startswith("-"):
                b = " " + b
            return f"{a}{word}{b}", prec, kind
        small = b.isdigit() and len(b) < 10
        if op == "/" and "f" in (ak, bk) and ak in ("i", "f") and bk in ("i", "f"):
            return f"{a if ap >= MUL else f'({a})'}/{b if bp > MUL else f'({b})'}", MUL, "f"
        if op in "/%" and ak == "i" and bk == "i" and a.isidentifier() and small and int(b):
            # Rounding differs only below zero.
            fast = f"{a}//{b}" if op == "/" else f"{a}%{b}"
            if a in self.naturals:
                return fast, MUL, "i"
            return (
                f"({a}>=0 and {fast} or {self.helper('div' if op == '/' else 'mod')}({a},{b}))",
                UNARY,
                "i",
            )
        if op == ">>" and ak == "i" and small and int(b) < 63:
            return f"{a if ap >= MUL else f'({a})'}//{1 << int(b)}", MUL, "i"
        if op == "<<" and small:
            return f"{a if ap >= SHIFT else f'({a})'}<<{b}", SHIFT, kind
        name = {"/": "div", "%": "mod", ">>": "shr", "<<": "shl", "&^": "clear"}[op]
        return f"{self.helper(name)}({a},{b})", ATOM, kind

    def logical(self, op: str, left: Text, right: Text, kind: str) -> Text:
        """The value of && and || is that of a side, whose truth is not what Lua takes for it."""
        (a, ap, ak), (b, bp, bk) = left, right
        prec = AND if op == "&&" else OR
        if ak == "b":
            a = a if ap >= prec else f"({a})"
            b = b if bp > prec else f"({b})"
            return f"{a} {'and' if op == '&&' else 'or'} {b}", prec, kind
        if op == "||" and a.isidentifier():
            b = b if bp > OR else f"({b})"
            return f"({self.truth(a)} and {a} or {b})", UNARY, kind
        if SIMPLE.fullmatch(b):
            return f"{self.helper('both' if op == '&&' else 'either')}({a},{b})", ATOM, kind
        b = b if bp > OR else f"({b})"
        if op == "||":
            return f"({self.helper('test')}({a}) and {self.helper('kept')}() or {b})", UNARY, kind
        if bk in SURE:
            return f"({self.helper('keep')}({a}) and {b} or {self.helper('kept')}())", UNARY, kind
        text = f"{self.helper('keep')}({a}) and ({b} or {self.helper('NO')})"
        text += f" or {self.helper('kept')}()"
        return f"{self.helper('unmask')}({text})", ATOM, kind

    def truth(self, name: str) -> str:
        """Lua that is true where a variable is: only tables make it call, as they compare."""
        falsy, empty = self.helper("FALSY"), self.helper("EMPTY")
        zero = f"({name}~=0 or {self.helper('is_int')}({name}))"  # 0.0 is true
        return f"not ({falsy}[{name}] and {zero} or {name}=={empty} or {name}~={name})"

    def condition(self, node: Any) -> tuple[str, int]:
        """Lua that is true where Tengo takes the value for true."""
        if type(node) is Binary and node.op in ("&&", "||"):
            spine = []
            while type(node) is Binary and node.op in ("&&", "||"):
                spine.append(node)
                node = node.left
            text, prec = self.condition(node)
            folded: list[str] = []
            for joined, part in enumerate(reversed(spine), 1):
                right, right_prec = self.condition(part.right)
                own = AND if part.op == "&&" else OR
                text = text if prec >= own else f"({text})"
                right = right if right_prec > own else f"({right})"
                text, prec = f"{text} {'and' if own == AND else 'or'} {right}", own
                if joined % MAX_JOINED == 0:
                    text, prec = f"({text})", UNARY
                text = fold(text, folded)
            return unfolded(text, folded), prec
        text, prec, kind = self.expr(node, True)
        if kind == "b":
            return text, prec
        if kind == "i" or kind == "s":
            return f"{text if prec > COMPARE else f'({text})'}{TRUTHY[kind]}", COMPARE
        if text.isidentifier():
            return f"({text}==true or {self.truth(text)})", UNARY
        return f"{self.helper('truth')}({text})", ATOM

    # What follows a value: .name [index] [low:high] (arguments). --------------------------------

    def postfix(self, node: Any, target: bool = False) -> Text:
        spine = []
        while type(node) in _POSTFIX:
            spine.append(node)
            node = node.callee if type(node) is Call else node.of
        first = spine[-1]
        if type(first) is Call and type(node) is Builtin:
            text, kind = self.call_builtin(first, node), call_kind(first)
            spine.pop()
        else:
            text, prec, kind = self.expr(node, type(first) is not Call)
            if type(first) is Index and not target and moves(node) and acts(first.key):
                text, prec, kind = copied((text, prec, kind))
            text = text if prec >= ATOM else f"({text})"
        for part in reversed(spine):
            of = type(part)
            mark = self.mark(part.line)
            if of is Call:
                text, kind = f"{text}{mark}({self.arguments(part.args, part.spread)})", ""
            elif of is Index:
                text, kind = text + mark + self.index(part.key), ""
            else:
                low = "nil" if part.low is None else self.expr(part.low)[0]
                high = "nil" if part.high is None else self.expr(part.high)[0]
                text = f"{self.helper('slice')}({text},{mark}{low},{high})"
                kind = kind if kind == "s" else ""
        return text, ATOM, kind

    def index(self, key: Any) -> str:
        if type(key) is Literal and key.kind == "s":
            name: str = key.value.decode(errors="replace")
            if IDENTIFIER.fullmatch(name) and name not in KEYWORDS:
                return "." + name
        text, _, _ = self.expr(key)
        return f"[{text}]"

    def arguments(self, args: list[Any], spread: bool) -> str:
        if len(args) > MAX_ARGS:
            # Lua has a bound for those of one call, but not for the items of a table.
            *items, last = [self.expr(arg)[0] for arg in args]
            last = f"{self.helper('spread')}({last})" if spread else f"({last})"
            return f"{self.helper('spill')}({{{','.join([*items, last])}}})"
        texts = [self.expr(arg)[0] for arg in args]
        if spread:
            texts[-1] = f"{self.helper('spread')}({texts[-1]})"
        return ",".join(texts)

    def call_builtin(self, node: Any, callee: Any) -> str:
        name = callee.name
        if len(node.args) == 1 and not node.spread:
            looks = name == "len" or name == "type_name" or name.startswith("is_")
            text, _, kind = self.expr(node.args[0], looks)
            made = f"{self.helper('b_' + name)}({text})"
            if name == "len" and kind == "s":
                return f"(#{text})" if SIMPLE.fullmatch(text) else f"(#({text}))"
            if name == "len" and kind == "a" and text.isidentifier():
                return f"(#{text}>0 and #{text}+1 or {made})"  # one more, as the first is at 0
            return made
        return f"{self.helper('b_' + name)}({self.arguments(node.args, node.spread)})"


_POSTFIX = frozenset((Call, Index, Slice))
_EXPRESSIONS: dict[Any, Any] = {
    Literal: Expressions.literal,
    Builtin: Expressions.builtin,
    Free: Expressions.free,
    Array: Expressions.array,
    Map: Expressions.map,
    Func: lambda self, node: self.func(node),
    ast.Unary: Expressions.unary,
    ast.Ternary: Expressions.ternary,
    ast.Import: Expressions.import_,
    ast.Made: Expressions.made,
}
