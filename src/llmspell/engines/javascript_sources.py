"""The program and the modules of a run of JavaScript, and the errors that point into them."""

from __future__ import annotations

import json
import posixpath
import re
from typing import Any

from ..errors import (
    CAPABILITY_ERRORS,
    CapabilityError,
    Frame,
    HostFailure,
    LlmspellError,
    ScriptFailure,
    ScriptRuntimeError,
    ScriptSyntaxError,
)

BUILT_IN = "llmspell:"
"""What the names of the modules that stand for namespaces begin with."""


class Sources:
    """Sources by the name the VM knows them by. `unloaded` is why the last missing one is."""

    def __init__(self) -> None:
        self.program = ""
        self.texts: dict[str, str] = {}
        self.names: set[str] = set()
        self.unloaded: LlmspellError | None = None
        self._shown: dict[str, str] = {}

    def add(self, name: str, shown: str, code: str) -> None:
        """Takes a source in; `shown` is the name that errors show."""
        self.texts[name], self._shown[name] = code, shown
        self.names.add(shown)

    def resolve(self, base: str, specifier: str) -> str:
        """The name of a module as its importer means it."""
        if specifier in self.texts or specifier.startswith(BUILT_IN):
            return specifier
        if specifier.startswith(("./", "../")):
            folder = "" if base == self.program else posixpath.dirname(base)
            return posixpath.normpath(posixpath.join(folder, specifier))
        return specifier

    def failure(self, said: str) -> LlmspellError:
        """Makes the error of what the prelude reported: see `report` there."""
        from ..records import adopt

        report = json.loads(said)
        value = json.loads(report["value"]) if report.get("value") else None
        raised = value if isinstance(value, dict) else {"code": report.get("code")}
        error = self._error(report)
        if isinstance(error, ScriptRuntimeError):
            error.value = value
        adopt(error, raised, self.names)
        return error

    def _error(self, report: dict[str, Any]) -> LlmspellError:
        frames = self.frames(report["frames"])
        message = report["message"]
        if unloaded := re.search("Error loading module '(.*)'$", message):
            return self._not_loaded(unloaded[1])
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
        wanted = re.compile(
            rf"""["'](\./|\.\./|[^"']*/)?{re.escape(posixpath.basename(name))}["']"""
        )
        frames = tuple(
            Frame(self._shown.get(importer, importer), line)
            for importer, code in self.texts.items()
            for line, text in enumerate(code.split("\n"), 1)
            if wanted.search(text)
        )[:1]
        error = self.unloaded
        if isinstance(error, ScriptSyntaxError):
            error.frames += frames
            return error
        if isinstance(error, CapabilityError):
            return type(error)(error.message, code=error.code, capability="import", frames=frames)
        return ScriptRuntimeError(f"there is no module {name}", frames=frames)
