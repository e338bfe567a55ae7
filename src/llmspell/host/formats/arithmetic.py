"""This unit works out arithmetic, in time and memory that a short text cannot make large.

    calculate(expression)   the value of "(2 + 3) * sqrt(16)"; BadArgument for anything else

Only numbers are values: text has too many ways to become a gigabyte. What would make a number of
more than MAX_BITS is refused before it is made, because neither a limit of time nor of memory
can stop one operation of Python.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import BadArgument, near_miss

Number = int | float | bool

MAX_LENGTH = 1000
"""Characters of an expression: Python's parser takes memory, and depth, with length."""

MAX_DEPTH = 500
"""Parts in each other: a sum of n numbers is n deep."""

MAX_BITS = 4096
"""Bits of an integer on the way to the result, which has 64 at most."""

MAX_DIGITS = 300
"""Places to round to, before and after the point: no float has more."""


class Refused(Exception):
    """The expression is wrong; the message says why."""


def calculate(expression: str) -> Number:
    """Works out an arithmetic expression. Raises BadArgument for anything else."""
    try:
        return _value(_parsed(expression))
    except ZeroDivisionError:
        reason = "division by zero"
    except OverflowError:
        reason = "a number in it is too large"
    except TypeError:
        reason = "it is not arithmetic"
    except (Refused, ValueError) as error:
        reason = str(error)
    raise BadArgument(f"cannot work out {_shown(expression)}: {reason}")


def _parsed(expression: str) -> ast.expr:
    if len(expression) > MAX_LENGTH:
        raise Refused(f"it is longer than {MAX_LENGTH} characters")
    # Text is no number, and Python warns on stderr of some of it.
    if any(mark in expression for mark in "'\"\\#\0"):
        raise Refused("it is not arithmetic")
    try:
        return ast.parse(" ".join(expression.split()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Refused("it is not arithmetic") from None


def _value(node: ast.expr, depth: int = 0) -> Number:
    """The value of a part."""
    if depth > MAX_DEPTH:
        raise Refused("it is nested too deep")
    depth += 1
    match node:
        case ast.Constant(value=bool() | int() | float()):
            return _checked(node.value)
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.Name(id=name):
            raise Refused(f"{name} is not known{near_miss(name, CONSTANTS)}")
        case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
            return _checked(UNARY[type(op)](_value(operand, depth)))
        case ast.BinOp(op=op, left=left, right=right) if type(op) in BINARY:
            a, b = _value(left, depth), _value(right, depth)
            _refuse_large(type(op), a, b)
            return _checked(BINARY[type(op)](a, b))
        case ast.BinOp(op=ast.BitXor()):
            raise Refused("^ is a power to some and not to others: write ** for a power")
        case ast.BoolOp(op=op, values=values):
            value = _value(values[0], depth)
            for other in values[1:]:
                if bool(value) is isinstance(op, ast.Or):
                    break
                value = _value(other, depth)
            return value
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _compared(_value(left, depth), ops, comparators, depth)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _value(body if _value(test, depth) else orelse, depth)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            return _called(name, [_value(arg, depth) for arg in args])
        case ast.Call(func=ast.Name(id=name)) if name not in FUNCTIONS:
            close = near_miss(name, FUNCTIONS)
            raise Refused(f"it is not arithmetic: there is no function {name}{close}")
    raise Refused("it is not arithmetic")


def _compared(left: Number, ops: list[ast.cmpop], others: list[ast.expr], depth: int) -> bool:
    for op, other in zip(ops, others, strict=True):
        if type(op) not in COMPARISONS:
            raise Refused("it is not arithmetic")
        right = _value(other, depth)
        if not COMPARISONS[type(op)](left, right):
            return False
        left = right
    return True


def _called(name: str, args: list[Number]) -> Number:
    least, most = ARITIES.get(name, (1, 1))
    if not least <= len(args) <= most:
        raise Refused(f"{name} takes {least if least == most else f'{least} to {most}'} numbers")
    if name == "round" and len(args) == 2 and abs(args[1]) > MAX_DIGITS:
        raise Refused(f"round takes at most {MAX_DIGITS} places")
    return _checked(FUNCTIONS[name](*args))


def _refuse_large(op: type[ast.operator], a: Number, b: Number) -> None:
    """Refuses an operation on integers whose result would have more than MAX_BITS."""
    if isinstance(a, float) or isinstance(b, float):
        return
    bits = 0
    if op is ast.Pow:
        bits = int(a).bit_length() * b if abs(a) > 1 else 0
    elif op is ast.LShift:
        bits = int(a).bit_length() + b
    if bits > MAX_BITS:
        raise OverflowError


def _checked(value: Any) -> Number:
    if isinstance(value, float) and not math.isfinite(value):
        raise OverflowError
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise OverflowError
    if not isinstance(value, int | float):
        raise Refused("it is not a real number")
    return value


CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "fabs": math.fabs,
    "floor": math.floor,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "round": round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}

ARITIES: Mapping[str, tuple[int, int]] = {
    "log": (1, 2),
    "max": (2, MAX_LENGTH),
    "min": (2, MAX_LENGTH),
    "round": (1, 2),
}
"""Least and most arguments of the functions that take more than one."""

UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Invert: lambda value: -1 - operator.index(value),
    ast.Not: operator.not_,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}

BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.LShift: operator.lshift,
    ast.Mod: operator.mod,
    ast.Mult: operator.mul,
    ast.Pow: operator.pow,
    ast.RShift: operator.rshift,
    ast.Sub: operator.sub,
}

COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.NotEq: operator.ne,
}


def _shown(expression: str) -> str:
    return repr(expression if len(expression) <= 100 else expression[:97] + "...")
