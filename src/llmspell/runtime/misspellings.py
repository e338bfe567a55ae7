"""What a script may have meant where it called a function that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..engines.base import NOTHING_THERE, Engine, camel
from ..errors import LlmspellError, ScriptRuntimeError, near_miss

PATH = re.compile(r"(?<![\w.:])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")

LONGEST_LINE = 1000
"""Characters of a source line that is read."""


def add_advice(error: LlmspellError, names: Iterable[str], engine: Engine) -> LlmspellError:
    """The error, whose message tells what may have been meant, if that is known.

    names: the functions there are, such as "llm.generate".
    """
    line = error.source_line
    if (
        isinstance(error, ScriptRuntimeError)
        and len(line) <= LONGEST_LINE
        and NOTHING_THERE.search(error.message)
    ):
        error.message += _advice(line, names, "camel" in engine.features)
        error.args = (error.message,)
    return error


def _advice(line: str, names: Iterable[str], in_camel: bool) -> str:
    members: dict[str, set[str]] = {}
    for name in names:
        namespace, _, verb = name.rpartition(".")
        members.setdefault(namespace, set()).add(camel(verb) if in_camel else verb)
        outer, _, inner = namespace.rpartition(".")
        members.setdefault(outer, set()).add(inner)
    for path in PATH.findall(line):
        namespace = ""
        for part in path.split("."):
            known = members.get(namespace, set())
            if namespace and known and part not in known:
                meant = near_miss(part, known) or f", it has {_some(known)}"
                return f"; {namespace} has no {part}{meant}"
            namespace = f"{namespace}.{part}".lstrip(".")
    return ""


def _some(names: set[str], most: int = 12) -> str:
    return ", ".join(sorted(names)[:most]) + " ..." * (len(names) > most)
