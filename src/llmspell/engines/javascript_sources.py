"""The program and the modules of a run of JavaScript, and the errors that point into them."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from ..errors import (
    CAPABILITY_ERRORS,
    CapabilityError,
    Frame,
    HostFailure,
    LlmspellError,
    NotFound,
    ScriptFailure,
    ScriptRuntimeError,
    ScriptSyntaxError,
)
from ..values import MAX_BYTES, decode
from .base import NOT_EXPORTED, Compile, Ended, camel

SUFFIXES = (".js", ".mjs", ".ts", ".mts")

BUILT_IN = "llmspell:"
"""What the names of the modules that stand for namespaces begin with."""

FOUND = 1000
"""How often a name is looked for in a source."""


def built_in(names: Iterable[str]) -> dict[str, str]:
    """The sources of the modules that stand for namespaces, such as "llm"."""
    members: dict[str, dict[str, None]] = {}
    for name in names:
        namespace, _, rest = name.partition(".")
        members.setdefault(namespace, {})[camel(rest.partition(".")[0])] = None
    members.pop("module", None)  # is what import itself calls
    return {namespace: _module(namespace, [*held]) for namespace, held in members.items()}


def _module(namespace: str, members: Sequence[str]) -> str:
    # Under names of no meaning: a member may be called by a reserved word, which an export may too.
    taken = ", ".join(f"{name}: _{i}" for i, name in enumerate(members))
    given = ", ".join(f"_{i} as {name}" for i, name in enumerate(members))
    whole = f"globalThis.{namespace}"
    return f"export default {whole}; const {{ {taken} }} = {whole}; export {{ {given} }};"


class Sources:
    """Sources by the name the VM knows them by.

    The program has its own name; a module that of its file after a slash, so that it is one module
    however it is asked for, and what it imports is beside it.
    """

    def __init__(self) -> None:
        self.program = self.source = ""
        self.texts: dict[str, str] = {}
        self.names: set[str] = set()
        self._shown: dict[str, str] = {}
        self._met: dict[str, str] = {}
        self._refused: dict[str, LlmspellError] = {}

    def add(self, name: str, shown: str, code: str) -> None:
        """Takes a source in; `shown` is the name that errors show."""
        self.texts[name], self._shown[name] = code, shown
        self.names.add(shown)

    def named(self, base: str, specifier: str, modules: Mapping[str, str]) -> str | None:
        """The name of a module that is known, or built in; None of one that is to be found."""
        if specifier == self.program and base not in self.texts:
            return specifier
        if specifier.startswith(BUILT_IN):
            source = modules.get(specifier.removeprefix(BUILT_IN))
            if source is None:
                return self.refuse(specifier, NotFound(f"there is no module {specifier}"))
            self.texts[specifier] = source
            return specifier
        return self._met.get(self.wanted(base, specifier))

    def wanted(self, base: str, specifier: str) -> str:
        """The path of what is imported; one that begins with a dot is beside its importer."""
        if specifier.startswith(("./", "../")) or specifier in (".", ".."):
            folder = "" if base == self.program else posixpath.dirname(base).lstrip("/")
            return posixpath.normpath(posixpath.join(folder, specifier))
        return specifier

    def asked(self, wanted: str) -> str:
        """The name the host finds a module by: dots stand for folders, and there is no suffix."""
        return _stem(wanted).replace("/", ".")

    def take(self, wanted: str, found: str, source: str, compile: Compile) -> str:
        """Takes in what the host has found under a name of a file, or under the one it was asked.

        Gives the name the VM is to know it by. What cannot be compiled is refused.
        """
        path = _stem(wanted).replace(".", "/") if found == self.asked(wanted) else found
        name = f"/{path}"
        if (path, source) == (posixpath.basename(self.program), self.source):
            name = self.program
        elif name == self.program:
            name = f"/{name}"
        if name not in self.texts:
            try:
                self.add(name, found, compile(source, found).code)
            except ScriptSyntaxError as error:
                return self.refuse(wanted, error)
        self._met[wanted] = name
        return name

    def refuse(self, wanted: str, error: LlmspellError) -> str:
        """Notes why there is no such module."""
        name = wanted or "\n"  # the VM knows no name of nothing
        self._refused[name] = error
        return name

    def why(self, name: str) -> dict[str, Any] | None:
        """Why there is no such module, for the script."""
        error = self._refused.get(name)
        if error is None:
            return None
        message = error.message
        if isinstance(error, ScriptSyntaxError):
            message = f"cannot load module '{name}': {error}"
        kind = type(error).__name__ if isinstance(error, CapabilityError) else HostFailure.__name__
        return {"message": message, "code": error.code, "class": kind, "capability": "import"}

    def failure(self, said: str) -> LlmspellError:
        """Makes the error of what the prelude reported: see `report` there."""
        from ..records import adopt

        report = json.loads(said)
        value = json.loads(report["value"]) if report.get("value") else None
        raised = value if isinstance(value, dict) else {"code": report.get("code")}
        error = self._error(report)
        if isinstance(error, ScriptSyntaxError):
            return error
        if isinstance(error, ScriptRuntimeError):
            error.value = value
        adopt(error, raised, self.names)
        return error

    def _error(self, report: dict[str, Any]) -> LlmspellError:
        frames = self.frames(report["frames"])
        message = report["message"]
        if (module := report.get("module")) in self._refused:
            return self._not_loaded(module)
        if not frames and (lacking := NOT_EXPORTED.search(message)):
            frames = self._importing(lacking[1]) or self._wanting(lacking[2])
        if report["kind"] == "error" or report.get("class") == ScriptFailure.__name__:
            return ScriptRuntimeError(message, frames=frames)
        capability = report.get("capability", "")
        return CAPABILITY_ERRORS.get(report.get("class", ""), HostFailure)(
            message or f"{capability or 'a capability'} failed",
            code=report.get("code"),
            capability=capability,
            retryable=report["retryable"],
            frames=frames,
        )

    def frames(self, told: list[Any]) -> tuple[Frame, ...]:
        """Frames as the prelude tells them."""
        return tuple(Frame(self._shown.get(file, file), *rest) for file, *rest in told)

    def _not_loaded(self, name: str) -> LlmspellError:
        """The error of an import: why the module could not be had, and where it was wanted."""
        frames = self._wanting(name)
        error = self._refused[name]
        if isinstance(error, ScriptSyntaxError):
            error.frames += frames
            return error
        assert isinstance(error, CapabilityError)
        return type(error)(error.message, code=error.code, capability="import", frames=frames)

    def _wanting(self, module: str) -> tuple[Frame, ...]:
        """Where a module is imported."""
        wanted = re.compile(
            rf"""["'](\./|\.\./|[^"']*/)?{re.escape(posixpath.basename(module))}["']"""
        )
        return tuple(
            Frame(self._shown.get(importer, importer), line)
            for importer, code in self.texts.items()
            for line, text in enumerate(code.split("\n"), 1)
            if wanted.search(text)
        )[:1]

    def _importing(self, name: str) -> tuple[Frame, ...]:
        """Where a name is imported."""
        places = (
            Frame(self._shown.get(importer, importer), code.count("\n", 0, at) + 1)
            for importer, code in self.texts.items()
            for at in _imported(name, code)
        )
        return tuple(islice(places, 1))


def _imported(name: str, code: str) -> Iterator[int]:
    """Where a source seems to import a name in braces."""
    for found in islice(re.finditer(rf"\b{re.escape(name)}\b", code), FOUND):
        before = code[max(0, found.start() - 1000) : found.start()].rpartition("{")[0]
        if before.rstrip().endswith(("import", ",")) and "import" in before:
            yield found.start()


def ended(number: int, value: bytes) -> Ended:
    """The end of an entry with a value, which is not to be trusted."""
    if len(value) > MAX_BYTES:
        reason = f"the result is larger than {MAX_BYTES} bytes"
        return Ended(number, error=ScriptRuntimeError(reason))
    try:
        decode(value)
    except (ValueError, RecursionError) as error:
        return Ended(number, error=ScriptRuntimeError(f"the result is no value: {error}"))
    return Ended(number, value)


def _stem(path: str) -> str:
    """A path without a suffix that a script may have."""
    stem, _, suffix = path.rpartition(".")
    return stem if f".{suffix}" in SUFFIXES else path
