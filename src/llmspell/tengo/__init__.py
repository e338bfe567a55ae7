"""The Tengo language: source -> tokens -> tree -> Lua 5.4 source.

Knows no engine. What the Lua it makes needs at run time is in the `.lua` files of this folder: see
`runtime.lua`. Nothing of the program is run here.
"""

import os

from .compiler import STANDARD, Compiled, compile_source
from .errors import TengoSyntaxError
from .lexer import problem

FOLDER = os.path.dirname(__file__)
"""Where the `.lua` files are."""

__all__ = ["FOLDER", "STANDARD", "Compiled", "TengoSyntaxError", "compile_source", "problem"]
