"""The host services of a session, each made on first use and closed with the session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

from ..policy import Policy
from .settings import Environment, Settings

if TYPE_CHECKING:
    from httpx2 import AsyncClient

    from .channels import SharedChannels
    from .files.files import Files
    from .input import Input
    from .llm.given import Given
    from .llm.modelinfo import ModelFacts
    from .llm.models import Models
    from .net.http import Http


LIBRARIES = {
    "agent": ("pydantic_ai", "llmspell.host.agents.agent"),
    "fs": ("llmspell.host.files.files",),
    "http": ("httpx2", "llmspell.host.net.http"),
    "io": ("llmspell.host.input",),
    "llm": ("pydantic_ai.direct", "llmspell.host.llm.models"),
    "llm.pool": ("llmspell.host.llm.models", "llmspell.host.pools.pooled"),
    "llm.providers": ("llmspell.host.llm.models", "llmspell.host.doubles.scripted"),
    "mcp": ("mcp", "llmspell.host.tools.mcp"),
    "structured": ("pydantic_ai.direct", "llmspell.host.schemas.structured"),
    "text": ("re2",),
    "tools": ("jsonschema_rs",),
    "xml": ("xmltodict",),
    "yaml": ("yaml",),
}
"""Namespace -> what its calls import when they first need it, besides its declarations."""


def import_libraries(namespace: str) -> None:
    """Imports now what the calls of a namespace would import later."""
    from importlib import import_module

    for name in LIBRARIES.get(namespace, ()):
        import_module(name)


class Services:
    """Files, HTTP, models, environment, standard input and the log of one session.

    `run_id` names the run of the line that the log is told.
    """

    def __init__(
        self,
        policy: Policy,
        settings: Settings,
        environment: Environment,
        model: str | None,
        notify: Callable[[str], None],
        log: Callable[[str, str, dict[str, object]], None],
        stdin: TextIO | None = None,
        given: Mapping[str, Given] | None = None,
    ) -> None:
        self.policy = policy
        self.settings = settings
        self.environment = environment
        self.model = model
        self.notify = notify
        self._log = log
        self.stdin = stdin
        self.given = given
        self.run_id = ""

    def log(self, level: str, message: str, fields: dict[str, object], run_id: str) -> None:
        """Tells the log, which gets no secret to see."""
        hide = self.environment.filter
        self.run_id = run_id
        self._log(level, hide.text(message), hide.data(fields))

    @cached_property
    def files(self) -> Files:
        """Files beneath granted folders; relative paths start at the session's folder."""
        from pathlib import Path

        from .files.files import Files

        return Files(Path(self.policy.base), self.policy.demand)

    @cached_property
    def http(self) -> Http:
        """HTTP to granted hosts."""
        from .net.http import Http

        return Http(self.policy.demand)

    @cached_property
    def models(self) -> Models:
        """The one registry of model providers."""
        from .llm.models import Models

        return Models(self.settings, self.environment, self.model, self.notify, self.given)

    @cached_property
    def keyless(self) -> AsyncClient:
        """What talks to model servers that scripts have named, which get no key."""
        from .net.keyless import open_keyless

        return open_keyless(self.policy.demand)

    @cached_property
    def modelinfo(self) -> ModelFacts:
        """What is known of models."""
        from .llm.modelinfo import ModelFacts

        return ModelFacts(self.models)

    @cached_property
    def channels(self) -> SharedChannels:
        """Channels that spells share by name."""
        from .channels import SharedChannels

        return SharedChannels()

    @cached_property
    def input(self) -> Input:
        """Standard input."""
        from .input import Input

        return Input(self.stdin)

    @property
    def open(self) -> bool:
        """Whether a service was made that must be closed."""
        return "http" in self.__dict__ or "models" in self.__dict__

    async def aclose(self) -> None:
        """Closes what was made: no socket or file stays behind."""
        for name in ("http", "models", "keyless"):
            service = self.__dict__.pop(name, None)
            if service is not None:
                await service.aclose()
