"""What a capability may use: the run it serves and the services of its session.

A capability gets a `Context` as its first argument. It holds no engine: the doors into the
runtime (`invoke`, `write`) are given to it, so that host code can be tested without a VM.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..limits import Meter
from ..policy import Policy, denial

if TYPE_CHECKING:
    from .channels import Channels
    from .services import Services
    from .tools import Toolbox


class Context:
    """One run, as its capabilities see it.

    policy: what the run may do; `demand` is its check.
    meter: what it has used and may use.
    services: what the session offers.
    invoke: makes a call through the gate, as the script would: `await ctx.invoke(name, *args)`.
    write: prints text to the output of the run.
    load_module: source and shown name of a script module, or None when there is none.
    tools: the tools known in this run.
    sources: names of the sources of this run, as its errors show them.
    run_id: names the run in logs.
    measure: brings the meter up to date with what the engine knows.
    channels: the channels of this run, made on first use.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        meter: Meter,
        services: Services,
        invoke: Callable[..., Awaitable[Any]],
        write: Callable[[str], None],
        load_module: Callable[[str], tuple[str, str] | None],
        tools: Toolbox,
        sources: Container[str] = (),
        run_id: str = "",
        measure: Callable[[], None] = lambda: None,
    ) -> None:
        self.measure = measure
        self.policy = policy
        self.meter = meter
        self.services = services
        self.invoke = invoke
        self.write = write
        self.load_module = load_module
        self.tools = tools
        self.sources = sources
        self.run_id = run_id

    @cached_property
    def channels(self) -> Channels:
        """The channels of this run."""
        from .channels import Channels

        return Channels(self.services.channels)

    def close(self) -> None:
        """Lets go of what is shared with other runs."""
        if "channels" in self.__dict__:
            self.channels.close()

    def log(self, level: str, message: str, fields: dict[str, Any]) -> None:
        """Makes a remark to whoever runs the spell. Raises OutputLimit."""
        self.meter.charge_log(len(message) + sum(len(f"{k}{v}") for k, v in fields.items()))
        self.services.run_id = self.run_id
        self.services.log(level, message, fields)

    async def model(self, wanted: str | None) -> str:
        """The full name of the model to ask, once the policy allows it.

        Finding it may take a request, so the provider must be within reach of a grant before.
        """
        head = (wanted or "").partition("/")[0]
        head = "gemini" if head == "google" else head
        if wanted and not self.policy.reaches("llm", f"{head}/"):
            raise denial("llm", wanted)
        name = await self.services.models.name(wanted)
        self.demand("llm", name)
        return name

    def demand(self, kind: str, resource: str) -> None:
        """Raises Denied unless a grant covers `resource`."""
        self.policy.demand(kind, resource)
