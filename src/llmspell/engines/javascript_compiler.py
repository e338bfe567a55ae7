"""What the VM of JavaScript begins with, and whether it can parse a module."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import Frame, ScriptSyntaxError
from ..values import dumps
from .base import Signature
from .quickjs import Host, Trapped, Vm

PARTS = ("values.js", "errors.js", "tasks.js", "door.js", "addresses.js", "web.js")


def prelude(names: Mapping[str, Signature]) -> str:
    """The code that the heap of every script begins with, with `names` bound."""
    folder = Path(__file__).parent / "prelude"
    parts = [(folder / part).read_text("utf-8") for part in PARTS]
    told = [
        [name, list(item.params), item.method_of, item.role, item.alias]
        for name, item in names.items()
    ]
    body = "\n".join(parts)
    whole = f"'use strict';\n{body}\nreturn [door, collect, reason];"
    return f"(surface => flush => {{ {whole} }})({dumps(told)})"


CHECKED = 64 * 1024 * 1024
"""Bytes that parsing a program may take."""


OURS = re.compile(r"Unexpected (?:string|token 'import')|expecting ';'")
"""How the VM speaks of the import that `check` puts behind a program."""


class Checker(Host):
    """Lets no module be found: what is checked must not run."""


def check(vm: Vm, code: str, name: str) -> None:
    """Raises ScriptSyntaxError where the VM cannot parse a module."""
    shown = name or "program"
    try:
        # It parses to its end first; then this import is not found, so that nothing of it runs.
        told = vm.complaint(f"{code}\nimport 'llmspell:nothing';", shown)
    except (Trapped, MemoryError):
        told = "SyntaxError\nit is nested too deep\n"
    kind, _, rest = told.partition("\n")
    message, _, stack = rest.partition("\n")
    if kind != "SyntaxError":
        return
    found = re.search(r":([0-9]+):[0-9]+\)?$", stack.split("\n")[0]) if stack else None
    last = code.count("\n") + 1
    line = int(found[1]) if found else 1
    if line > last and OURS.fullmatch(message):
        message = "unexpected end of the program"
    line = min(line, last)
    raise ScriptSyntaxError(message, frames=(Frame(name, line),))
