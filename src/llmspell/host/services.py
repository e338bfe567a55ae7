"""The host services of a session, each made on first use and closed with the session."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

from ..policy import Policy
from .settings import Environment, Settings

if TYPE_CHECKING:
    from .files import Files
    from .http import Http
    from .input import Input
    from .models import Models


class Services:
    """Files, HTTP, models, environment, standard input and the log of one session."""

    def __init__(
        self,
        policy: Policy,
        settings: Settings,
        environment: Environment,
        model: str | None,
        notify: Callable[[str], None],
        log: Callable[[str, str, dict[str, object]], None],
        stdin: TextIO | None = None,
    ) -> None:
        self.policy = policy
        self.settings = settings
        self.environment = environment
        self.model = model
        self.notify = notify
        self._log = log
        self.stdin = stdin

    def log(self, level: str, message: str, fields: dict[str, object]) -> None:
        """Tells the log, which gets no secret to see."""
        hide = self.environment.filter
        self._log(level, hide.text(message), hide.data(fields))

    @cached_property
    def files(self) -> Files:
        """Files beneath granted folders; relative paths start at the session's folder."""
        from pathlib import Path

        from .files import Files

        return Files(Path(self.policy.base), self.policy.demand)

    @cached_property
    def http(self) -> Http:
        """HTTP to granted hosts."""
        from .http import Http

        return Http(self.policy.demand)

    @cached_property
    def models(self) -> Models:
        """The one registry of model providers."""
        from .models import Models

        return Models(self.settings, self.environment, self.model, self.notify)

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
        for name in ("http", "models"):
            service = self.__dict__.pop(name, None)
            if service is not None:
                await service.aclose()
