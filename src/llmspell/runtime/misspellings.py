"""What a script may have meant where it named what does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import islice

from ..engines.base import (
    NO_METHOD,
    NOT_EXPORTED,
    NOTHING_THERE,
    RETURN_OUTSIDE,
    UNKNOWN_NAME,
    Engine,
    Signature,
    camel,
)
from ..errors import LlmspellError, NotFound, ScriptError, near_miss, some_of

PATH = re.compile(r"(?<![\w.:])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
MODULE = re.compile(r"there is no module (\w+):")
METHOD = re.compile(r"([A-Za-z_]\w*|[)\]])\s*[.:]\s*([A-Za-z_]\w*)\s*\(")

LONGEST_LINE = 1000
"""Characters of a source line that is read."""

LONGEST_SOURCE = 64 * 1024
"""Characters of a source that is searched for names of the script's own."""

FOUND = 50
"""How often such a name is looked at, each time with what is before and after it."""

BEFORE = 200
DECLARING = re.compile(r"\b(?:local|const|let|var|func|function|for)\b[^\n=;]*\Z")
USED = re.compile(r"\s{0,9}(?:[.]|:\s{0,9}\w{1,99}\s{0,9}\()")
TAKEN = re.compile(r"[^()\n]{0,100}\)?\s{0,9}=>|\s{0,9}:=(?!\s{0,9}import\b)")

GLOBALS = frozenset({"async", "await", "parallel", "params", "print", "promise", "spawn"})
"""What every language has beside the namespaces and what they give."""


def add_advice(
    error: LlmspellError, names: Mapping[str, Signature], engine: Engine, source: str = ""
) -> LlmspellError:
    """The error, whose message tells what may have been meant, if that is known.

    names: the functions there are, such as "llm.generate".
    source: the file the error is of.
    """
    line = error.source_line
    if isinstance(error, ScriptError) and len(line) <= LONGEST_LINE:
        in_camel, advice = "camel" in engine.features, ""
        if unknown := UNKNOWN_NAME.search(error.message):
            advice = near_miss(next(filter(None, unknown.groups())), _globals(names))
        elif RETURN_OUTSIDE.search(error.message):
            advice = "; what a spell gives is what it exports"
        elif (lacking := NOT_EXPORTED.search(error.message)) and lacking[3]:
            advice = _advice(f"{lacking[3]}.{lacking[1]}", names, in_camel, "")
        elif NOTHING_THERE.search(error.message):
            advice = _advice(line, names, in_camel, source[:LONGEST_SOURCE])
            if not advice and NO_METHOD.search(error.message):
                advice = _of_handles(line, names, in_camel)
        _append(error, advice)
    elif (
        isinstance(error, NotFound)
        and (module := MODULE.match(error.message))
        and module[1] in _globals(names)
    ):
        _append(error, f"; {module[1]} is there without that")
    return error


def _append(error: LlmspellError, advice: str) -> None:
    if not error.message.endswith(advice):  # a run may be concluded twice
        error.message += advice
        error.args = (error.message,)


def _globals(names: Mapping[str, Signature]) -> frozenset[str]:
    aliases = {signature.alias for signature in names.values() if signature.alias}
    return GLOBALS | aliases | {name.partition(".")[0] for name in names}


def _own(name: str, source: str) -> bool:
    """Whether a script seems to have a variable or parameter called like a namespace."""
    for found in islice(re.finditer(rf"\b{name}\b", source), FOUND):
        start, end = found.span()
        if TAKEN.match(source, end) or (
            DECLARING.search(source, max(0, start - BEFORE), start) and not USED.match(source, end)
        ):
            return True
    return False


def _advice(line: str, names: Iterable[str], in_camel: bool, source: str) -> str:
    members: dict[str, set[str]] = {}
    for name in names:
        namespace, _, verb = name.rpartition(".")
        members.setdefault(namespace, set()).add(camel(verb) if in_camel else verb)
        outer, _, inner = namespace.rpartition(".")
        members.setdefault(outer, set()).add(inner)
    own: set[str] = set()
    for path in PATH.findall(line):
        namespace, first = "", path.partition(".")[0]
        if first in own:
            continue
        for part in path.split("."):
            known = members.get(namespace, set())
            if namespace and known and part not in known:
                if _own(first, source):
                    own.add(first)
                    break
                meant = near_miss(part, known) or f", it has {some_of(known)}"
                return f"; {namespace} has no {part}{meant}"
            namespace = f"{namespace}.{part}".lstrip(".")
    return ""


def _of_handles(line: str, names: Mapping[str, Signature], in_camel: bool) -> str:
    """What is known of the first method that is none: a name near it, or a forgotten await."""
    methods: dict[str, set[str]] = {}
    for name, signature in names.items():
        if signature.method_of:
            verb = name.rpartition(".")[2]
            methods.setdefault(camel(verb) if in_camel else verb, set()).add(signature.method_of)
    namespaces = {name.partition(".")[0] for name in names}
    for owner, called in METHOD.findall(line):
        if owner in namespaces:
            continue
        if called not in methods:
            if meant := near_miss(called, methods):
                return meant
        elif in_camel:
            return (
                f"; {called} is a method of {', '.join(sorted(methods[called]))}: "
                "is it called on a promise that must be awaited first?"
            )
    return ""
